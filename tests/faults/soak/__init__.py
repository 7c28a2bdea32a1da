"""The soak: everything that people and programs do to the service, at once, for minutes, while things break.

`answers` says which answers anybody may get; `operators`, `editor`, `importer` and `exporter` work; `workers` watches
the memory of the service's processes; `soak` lets one fault follow the other and judges what came of it. The reads,
and whether they are stale, are those of the history checker (`tests/faults/history`).
`python -m tests.faults.soak --minutes 10` is the long version of `tests/faults/test_soak.py`.
"""
