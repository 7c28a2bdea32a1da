"""The scorecard: how fresh our cache and its peers stay, under races and faults that are played step by step.

`scenarios` are the schedules. Each is played on a `stage`: real servers, and three processes (`player`) of one of
the `contestants`, directed through `actors`. What their readers saw is a `sighting`; `report` makes the table of
all of them. `make scorecard` runs it.
"""
