"""Procedures: what to do and in which order, in immutable revisions."""
