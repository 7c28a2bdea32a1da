"""The wall: what is running now, for people who look up from what they do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from procedures.models import Step
from runs.models import RunEvent
from runs.pages import newest_runs
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
    runs = list(newest_runs({"status": NOT_ENDED}, MOST_RUNS + 1))
    heads = heads_of(runs[:MOST_RUNS])
    steps, newest = _next_steps(heads), _newest_events(heads)
    running = [_running(head, steps.get(head.run.pk), newest[head.run.pk]) for head in heads]
    return Wall(sorted(running, key=lambda one: one.since), len(runs) > MOST_RUNS)


def _next_steps(heads: Sequence[RunHead]) -> Mapping[UUID, Step]:
    """Read the step that comes next in each run that has one."""
    wanted = {head.run.pk: (head.run.revision_id, key) for head in heads for key in head.progress.next_steps[:1]}
    revisions, keys = {revision for revision, _ in wanted.values()}, {key for _, key in wanted.values()}
    steps = Step.objects.filter(revision__in=revisions, key__in=keys).only(
        "revision_id", "key", "title", "expected_duration_s"
    )
    found = {(step.revision_id, step.key): step for step in steps}
    return {run_id: found[which] for run_id, which in wanted.items()}


def _newest_events(heads: Sequence[RunHead]) -> Mapping[UUID, RunEvent]:
    events = (
        RunEvent.objects.filter(run__in=[head.run for head in heads])
        .order_by("run_id", "-seq")
        .distinct("run_id")
        .only("run_id", "recorded_at", "actor_name")
    )
    return {event.run_id: event for event in events}


def _running(head: RunHead, step: Step | None, newest: RunEvent) -> Running:
    return Running(head, step, newest.recorded_at, newest.actor_name)
