"""What makes a cached run out of date: its head or its ledger was written."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from runs.models import Run, RunEvent
from versioned_cache.invalidation import invalidate_on_commit
from versioned_cache.keys import run_resource


@receiver([post_save, post_delete], sender=Run)
def raise_run(instance: Run, **_signal: Any) -> None:
    """Raise the run."""
    invalidate_on_commit(run_resource(instance.pk))


@receiver([post_save, post_delete], sender=RunEvent)
def raise_run_of_event(instance: RunEvent, **_signal: Any) -> None:
    """Raise the event's run."""
    invalidate_on_commit(run_resource(instance.run_id))
