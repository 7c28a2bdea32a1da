"""Runs as the database has them: a head says where a run stands, a record has its whole ledger too."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

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

    def steps_with_keys(self, keys: Iterable[str]) -> list[Step]:
        """Read whole steps of the run's revision, in their order."""
        return list(Step.objects.filter(revision=self.run.revision_id, key__in=keys))

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
        return _record(self.run, self.progress.pinned_steps, [event for event in self.events if event.seq <= seq])


def head_of(run: Run) -> RunHead:
    """Read where a run stands: two statements. It must come with its revision, as from `RunQuerySet.with_head`."""
    return heads_of([run])[0]


def heads_of(runs: Iterable[Run]) -> list[RunHead]:
    """Read where runs stand, as `head_of`: two statements, however many runs there are."""
    runs = list(runs)
    steps = _pinned_steps(runs)
    keys = {pk: step.key for pinned in steps.values() for pk, step in pinned.items()}
    newest: dict[UUID, list[tuple[LedgerLine, str]]] = defaultdict(list)
    for run_id, event_hash, seq, kind, step_id, *rest in RunEvent.objects.newest_of_each_step(runs):
        newest[run_id].append((LedgerLine(seq, kind, step_id and keys[step_id], *rest), event_hash))
    return [_head(run, list(steps[run.revision_id].values()), newest[run.pk]) for run in runs]


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
    """Return the record of a run that comes with its revision, and whose ledger is `events`, by seq: one statement."""
    return _record(run, list(_pinned_steps([run])[run.revision_id].values()), events)


def line_of(event: RunEvent) -> LedgerLine:
    """Return the ledger line of a saved event."""
    step_key = event.step.key if event.step else None
    return LedgerLine(event.seq, event.kind, step_key, bool(event.deviations), event.reason, event.recorded_at)


def _pinned_steps(runs: Iterable[Run]) -> Mapping[int, Mapping[int, PinnedStep]]:
    """Read the steps of the revisions of runs, by revision and by primary key, in their order.

    Without all else that a step has, which takes many times as long to read.
    """
    steps: dict[int, dict[int, PinnedStep]] = defaultdict(dict)
    rows = Step.objects.filter(revision__in={run.revision_id for run in runs}).values_list(
        "revision", "pk", "key", "title"
    )
    for revision_id, pk, *pinned in rows:
        steps[revision_id][pk] = PinnedStep(*pinned)
    return steps


def _record(run: Run, steps: Sequence[PinnedStep], events: Sequence[RunEvent]) -> RunRecord:
    progress = progress_of(run.revision.ordering, steps, [line_of(event) for event in events])
    return RunRecord(run, progress, events[-1].hash, events)


def _head(run: Run, steps: Sequence[PinnedStep], newest: Iterable[tuple[LedgerLine, str]]) -> RunHead:
    """Return the head of a run, given the newest line of each step and about the run as a whole, with their hashes."""
    lines, hashes = zip(*sorted(newest), strict=True)
    # The events that resolved the steps may be missing here, hidden by amendments. When they completed the run, its
    # row says so.
    completed_at = run.ended_at if run.status == RunStatus.COMPLETED else None
    progress = replace(progress_of(run.revision.ordering, steps, lines), completed_at=completed_at)
    return RunHead(run, progress, hashes[-1])
