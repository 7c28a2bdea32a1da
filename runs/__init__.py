"""Runs: executions of procedures, and the ledger of what was done."""
