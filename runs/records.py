"""Runs as the database has them: a head says where a run stands, a record has its whole ledger too."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from uuid import UUID

from django.db.models import prefetch_related_objects

from procedures.models import Step
from runs.models import Run, RunEvent
from runs.progress import LedgerLine, PinnedStep, Progress, progress_of
from runs.states import STEP_KINDS, RunStatus


@dataclass(frozen=True, slots=True)
class RunHead:
    """Where a run stands.

    Attributes:
        run: The row of the run, whose columns that change may be out of date here.
        progress: Its state, and that of its steps.
        newest_hash: The hash of the newest event, which the next one is chained to.
    """

    run: Run
    progress: Progress
    newest_hash: str

    @property
    def last_seq(self) -> int:
        """The seq of the newest event."""
        return self.progress.last_seq

    @property
    def pinned_steps(self) -> list[Step]:
        """The steps of the run's revision, in their order."""
        return list(self.run.revision.steps.all())

    def event_with_seq(self, seq: int) -> RunEvent:
        """Read one whole event, with its step."""
        return self.run.events.select_related("step").get(seq=seq)

    def with_event(self, event: RunEvent) -> "RunHead":
        """Return where the run stands after one more event."""
        return RunHead(self.run, self.progress.after(line_of(event)), event.hash)


@dataclass(frozen=True, slots=True)
class RunRecord(RunHead):
    """A run with its ledger, up to the newest event or an earlier one.

    Attributes:
        events: The ledger, ordered by seq.
    """

    events: Sequence[RunEvent]

    @property
    def commits(self) -> list[RunEvent]:
        """The step commits, oldest first."""
        return [event for event in self.events if event.kind in STEP_KINDS]

    @property
    def status_changes(self) -> list[RunEvent]:
        """The events about the run as a whole, oldest first."""
        return [event for event in self.events if event.kind not in STEP_KINDS]

    def as_of(self, seq: int) -> "RunRecord":
        """Return the record as it was right after event `seq`."""
        return new_record(self.run, [event for event in self.events if event.seq <= seq])


def head_of(run: Run) -> RunHead:
    """Read where a run stands: two statements. It must come with its revision, as from `RunQuerySet.with_head`."""
    return heads_of([run])[0]


def heads_of(runs: Iterable[Run]) -> list[RunHead]:
    """Read where runs stand, as `head_of`: two statements, however many runs there are."""
    runs = list(runs)
    prefetch_related_objects(runs, "revision__steps")
    steps = {step.pk: step for run in runs for step in run.revision.steps.all()}
    newest: dict[UUID, list[RunEvent]] = defaultdict(list)
    for event in RunEvent.objects.newest_of_each_step(runs):
        event.step = steps[event.step_id] if event.step_id else None
        newest[event.run_id].append(event)
    return [_head(run, newest[run.pk]) for run in runs]


def head_with_id(run_id: UUID) -> RunHead:
    """Read the state of one run.

    Raises:
        RUN_NOT_FOUND: no run has this id.
    """
    return head_of(Run.objects.with_head().get_existing(run_id))


def record_of(run: Run) -> RunRecord:
    """Read the steps and the ledger of a run that comes with its revision: two statements."""
    return new_record(run, list(run.events.select_related("step")))


def record_with_id(run_id: UUID) -> RunRecord:
    """Read one run with its ledger.

    Raises:
        RUN_NOT_FOUND: no run has this id.
    """
    return record_of(Run.objects.with_head().get_existing(run_id))


def new_record(run: Run, events: Sequence[RunEvent]) -> RunRecord:
    """Return the record of a run whose ledger is `events`, ordered by seq."""
    return RunRecord(run, progress_of_run(run, events), events[-1].hash, events)


def progress_of_run(run: Run, events: Iterable[RunEvent]) -> Progress:
    """Derive where a run stands from its ledger, by seq; it must come with its revision."""
    return progress_of_lines(run, [line_of(event) for event in events])


def progress_of_lines(run: Run, lines: Sequence[LedgerLine]) -> Progress:
    """Derive where a run stands from the lines of its ledger, likewise."""
    steps = [PinnedStep(step.key, step.title) for step in run.revision.steps.all()]
    return progress_of(run.revision.ordering, steps, lines)


def _head(run: Run, newest: Iterable[RunEvent]) -> RunHead:
    """Return the head of a run, given the newest event of each step and the newest about the run as a whole."""
    events = sorted(newest, key=attrgetter("seq"))
    # The events that resolved the steps may be missing here, hidden by amendments. When they completed the run, its
    # row says so.
    completed_at = run.ended_at if run.status == RunStatus.COMPLETED else None
    return RunHead(run, replace(progress_of_run(run, events), completed_at=completed_at), events[-1].hash)


def line_of(event: RunEvent) -> LedgerLine:
    """Return the ledger line of a saved event; of the event's own columns it reads only `runs.models.LINE`."""
    step_key = event.step.key if event.step else None
    return LedgerLine(event.seq, event.kind, step_key, bool(event.deviations), event.reason, event.recorded_at)
