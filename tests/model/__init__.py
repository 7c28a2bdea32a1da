"""An exhaustive model of the cache protocol, at small size. `python -m tests.model` prints what holds."""
