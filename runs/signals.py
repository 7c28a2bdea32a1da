"""What invalidates a cached run: saving or deleting its head or an event."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from runs.caches import run_resource
from runs.models import Run, RunEvent
from versioned_cache.invalidation import invalidate_on_commit


@receiver([post_save, post_delete], sender=Run)
def bump_run(instance: Run, **_signal: Any) -> None:
    """Bump the run."""
    invalidate_on_commit(run_resource(instance.pk))


@receiver([post_save, post_delete], sender=RunEvent)
def bump_run_of_event(instance: RunEvent, **_signal: Any) -> None:
    """Bump the event's run."""
    invalidate_on_commit(run_resource(instance.run_id))
