"""Our cache beside others: how fast (`make bench`), and how fresh (`make scorecard`)."""
