"""The measurement beside other caches."""
