"""One race a file; the docstring is the schedule."""
