"""Runs in the admin, read-only: only the service's actions write the ledger."""

from runs.admin import events, heads

__all__ = ["events", "heads"]
