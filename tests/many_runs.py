"""Many runs at once, with ledgers as the service would have written them, made without its actions."""

from collections.abc import Iterator
from datetime import timedelta

from django.contrib.auth.models import User

from procedures.models import Revision
from rest import timestamps
from runs.ledger import hash_of, origin_of
from runs.models import Run, RunEvent
from runs.states import EventKind, RunStatus

RUNS_PER_INSERT = 500
EVENTS_PER_INSERT = 2_000


def make_runs(count: int, revision: Revision, actor: User, *, events: int) -> None:
    """Record so many runs of a revision: each is started, and then paused and resumed by turns."""
    for begin in range(0, count, RUNS_PER_INSERT):
        size = min(RUNS_PER_INSERT, count - begin)
        runs = [_new_run(begin + number, revision, actor, events) for number in range(size)]
        Run.objects.bulk_create(runs)
        RunEvent.objects.bulk_create([event for run in runs for event in _ledger_of(run)], EVENTS_PER_INSERT)


def _new_run(number: int, revision: Revision, actor: User, events: int) -> Run:
    return Run(
        revision=revision,
        title=f"Run {number}",
        status=RunStatus.PAUSED if events % 2 == 0 else RunStatus.IN_PROGRESS,
        last_seq=events,
        started_by=actor,
        started_by_name=actor.username,
        started_at=timestamps.now(),
    )


def _ledger_of(run: Run) -> Iterator[RunEvent]:
    previous_hash = ""
    for seq in range(1, run.last_seq + 1):
        kind = EventKind.START if seq == 1 else (EventKind.RESUME if seq % 2 else EventKind.PAUSE)
        event = RunEvent(
            run=run,
            seq=seq,
            kind=kind,
            values=origin_of(run) if seq == 1 else {},
            reason=None if seq == 1 else "by turns",
            actor=run.started_by,
            actor_name=run.started_by_name,
            recorded_at=run.started_at + timedelta(seconds=seq - 1),
        )
        event.hash = previous_hash = hash_of(event, previous_hash)
        yield event
