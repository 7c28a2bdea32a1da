"""A run read whole: its head, its pinned steps, its ledger, and what they amount to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db.models import prefetch_related_objects

from procedures.models import Step
from runs.models import STEP_KINDS, Run, RunEvent
from runs.progress import Progress, progress_of


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as its ledger tells it, up to its newest event or an earlier one.

    Attributes:
        run: The head, for what never changes in it.
        pinned_steps: The steps of its revision, in their order.
        events: The ledger, by seq.
        progress: What they amount to.
    """

    run: Run
    pinned_steps: Sequence[Step]
    events: Sequence[RunEvent]
    progress: Progress

    @property
    def last_seq(self) -> int:
        """The seq of the newest event."""
        return self.events[-1].seq

    @property
    def commits(self) -> list[RunEvent]:
        """The history of the step commits, oldest first."""
        return [event for event in self.events if event.kind in STEP_KINDS]

    @property
    def status_changes(self) -> list[RunEvent]:
        """The events about the run as a whole, oldest first."""
        return [event for event in self.events if event.kind not in STEP_KINDS]

    def with_event(self, event: RunEvent) -> "RunRecord":
        """Return the record with one more event."""
        return self._with_events([*self.events, event])

    def as_of(self, seq: int) -> "RunRecord":
        """Return the record as it was right after event `seq`."""
        return self._with_events([event for event in self.events if event.seq <= seq])

    def _with_events(self, events: Sequence[RunEvent]) -> "RunRecord":
        progress = progress_of(self.run.revision.ordering, self.pinned_steps, events)
        return replace(self, events=events, progress=progress)


def record_of(run: Run) -> RunRecord:
    """Read the steps and the ledger of a run that carries its head."""
    return records_of([run])[0]


def record_with_id(run_id: UUID) -> RunRecord:
    """Read one run.

    Raises:
        RunNotFound: there is none with this id.
    """
    return record_of(Run.objects.with_head().get_existing(run_id))


def records_of(runs: Iterable[Run]) -> list[RunRecord]:
    """Read the steps and ledgers of runs that carry their heads: three statements, however many there are."""
    found = list(runs)
    prefetch_related_objects(found, "revision__steps", "events__step")
    return [new_record(run, list(run.events.all())) for run in found]


def new_record(run: Run, events: Sequence[RunEvent]) -> RunRecord:
    """Return the record of a run whose ledger is `events`."""
    steps = list(run.revision.steps.all())
    return RunRecord(run, steps, events, progress_of(run.revision.ordering, steps, events))
