"""Procedures: what is to be done, in which order, in immutable revisions."""
