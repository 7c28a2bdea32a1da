"""The wall: what is running now, for people who look up from what they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from procedures.models import Step
from runs.models import Run, RunEvent
from runs.records import RunHead, heads_of
from runs.states import NOT_ENDED

MOST_RUNS = 60


@dataclass(frozen=True, slots=True)
class Running:
    """A run on the wall.

    Attributes:
        head: Where it stands.
        step: The step that comes next; None if there is none.
        since: When the last thing was recorded: somebody has been at the step since then.
        by: Who recorded it.
    """

    head: RunHead
    step: Step | None
    since: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Wall:
    """What is running, the run that has waited longest first, and whether there is more than fits."""

    running: Sequence[Running]
    has_more: bool


def wall_of_now() -> Wall:
    """Return what is running or paused."""
    runs = list(Run.objects.with_head().filter(status__in=NOT_ENDED).order_by("-id")[: MOST_RUNS + 1])
    heads = heads_of(runs[:MOST_RUNS])
    newest = _newest_events(heads)
    running = [_running(head, newest[head.run.pk]) for head in heads]
    return Wall(sorted(running, key=lambda one: one.since), len(runs) > MOST_RUNS)


def _newest_events(heads: Sequence[RunHead]) -> Mapping[Any, RunEvent]:
    events = (
        RunEvent.objects.filter(run__in=[head.run for head in heads])
        .order_by("run_id", "-seq")
        .distinct("run_id")
        .only("run_id", "recorded_at", "actor_name")
    )
    return {event.run_id: event for event in events}


def _running(head: RunHead, newest: RunEvent) -> Running:
    step = next((step for step in head.pinned_steps if step.key in head.progress.next_steps), None)
    return Running(head, step, newest.recorded_at, newest.actor_name)
