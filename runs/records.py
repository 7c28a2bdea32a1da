"""Runs as they are read: the present state of a run, with or without its whole ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import prefetch_related_objects

from procedures.models import Step
from runs.models import Run, RunEvent
from runs.progress import Outline, Progress, outline_of, progress_of
from runs.states import STEP_KINDS, RunStatus


@dataclass(frozen=True, slots=True)
class RunHead:
    """The present state of a run. Its size depends on the procedure, not on the length of the ledger.

    Attributes:
        run: The row; only its constant columns are used.
        pinned_steps: The steps of its revision, by position.
        outline: The part of its ledger that decides its state.
        progress: The state derived from it.
    """

    run: Run
    pinned_steps: Sequence[Step]
    outline: Outline
    progress: Progress

    @property
    def last_seq(self) -> int:
        """The seq of the newest event."""
        return self.outline.newest.seq

    def with_event(self, event: RunEvent) -> "RunHead":
        """Return the state after one more event."""
        return _head(self.run, self.pinned_steps, self.outline.after(event, self.pinned_steps))


@dataclass(frozen=True, slots=True)
class RunRecord(RunHead):
    """A run with its ledger, up to its newest event or an earlier one.

    Attributes:
        events: The ledger, by seq.
    """

    events: Sequence[RunEvent]

    @property
    def commits(self) -> list[RunEvent]:
        """The history of the step commits, oldest first."""
        return [event for event in self.events if event.kind in STEP_KINDS]

    @property
    def status_changes(self) -> list[RunEvent]:
        """The events about the run as a whole, oldest first."""
        return [event for event in self.events if event.kind not in STEP_KINDS]

    def as_of(self, seq: int) -> "RunRecord":
        """Return the record as it was right after event `seq`."""
        return new_record(self.run, [event for event in self.events if event.seq <= seq])


def head_of(run: Run) -> RunHead:
    """Read the state of a run whose revision is loaded."""
    return heads_of([run])[0]


def heads_of(runs: Iterable[Run]) -> list[RunHead]:
    """Read the states of runs whose revisions are loaded, in two statements."""
    found = list(runs)
    prefetch_related_objects(found, "revision__steps")
    newest: dict[UUID, list[RunEvent]] = {run.pk: [] for run in found}
    for event in RunEvent.objects.newest_of_each_step(found):
        newest[event.run_id].append(event)
    return [_head(run, list(run.revision.steps.all()), _outline(run, newest[run.pk])) for run in found]


def head_with_id(run_id: UUID) -> RunHead:
    """Read the state of one run.

    Raises:
        RUN_NOT_FOUND: no run has this id.
    """
    return head_of(Run.objects.with_head().get_existing(run_id))


def record_of(run: Run) -> RunRecord:
    """Read the steps and the ledger of a run whose revision is loaded, in two statements."""
    return new_record(run, list(run.events.select_related("step")))


def record_with_id(run_id: UUID) -> RunRecord:
    """Read one run with its ledger.

    Raises:
        RUN_NOT_FOUND: no run has this id.
    """
    return record_of(Run.objects.with_head().get_existing(run_id))


def new_record(run: Run, events: Sequence[RunEvent]) -> RunRecord:
    """Return the record of a run whose ledger is `events`."""
    steps = list(run.revision.steps.all())
    outline = outline_of(steps, events)
    return RunRecord(run, steps, outline, progress_of(run.revision.ordering, steps, outline), events)


def _head(run: Run, steps: Sequence[Step], outline: Outline) -> RunHead:
    return RunHead(run, steps, outline, progress_of(run.revision.ordering, steps, outline))


def _outline(run: Run, newest: Sequence[RunEvent]) -> Outline:
    """Return the outline of a run from the newest event of each step, and the newest about the run as a whole."""
    return Outline(
        newest=max(newest, key=lambda event: event.seq),
        last_change=next(event for event in newest if event.step_id is None),
        effective={event.step_id: event for event in newest if event.step_id is not None},
        # An amendment replaces the event that resolved its step, so the instant comes from the run's row.
        completed_at=run.ended_at if run.status == RunStatus.COMPLETED else None,
    )
