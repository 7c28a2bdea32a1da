"""The history checker: what clients were shown, held against what had been written, while things break.

`history` judges what happened, `load` makes it happen, `faults` breaks things meanwhile, `cluster` is what they
break: two nodes of two workers each, over one PostgreSQL and one Valkey. `proof` runs one after another;
`python -m tests.faults.history --reads 200000` is the long version of `tests/faults/test_history.py`.
"""
