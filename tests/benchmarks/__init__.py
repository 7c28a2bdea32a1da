"""The measurements in comparison with other caches."""
