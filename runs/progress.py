"""What is derived from a run's ledger: the state of the run and of each step, and the next steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from procedures.models import Ordering, Step
from runs.models import RunEvent
from runs.states import EventKind, RunStatus

STATUS_AFTER = {
    EventKind.START: RunStatus.IN_PROGRESS,
    EventKind.PAUSE: RunStatus.PAUSED,
    EventKind.RESUME: RunStatus.IN_PROGRESS,
    EventKind.ABORT: RunStatus.ABORTED,
}
"""The state of a run after an event about the run as a whole, unless all steps are resolved."""


class StepState(StrEnum):
    """The states of a step in a run."""

    PENDING = "pending"
    AVAILABLE = "available"
    COMMITTED = "committed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class StepProgress:
    """The state of one step.

    Attributes:
        step: The step.
        state: Its state.
        effective: The original commit or skip, or its newest amendment; None if the step is unresolved.
    """

    step: Step
    state: StepState
    effective: RunEvent | None

    @property
    def resolved(self) -> bool:
        """Whether the step is committed or skipped."""
        return self.effective is not None

    @property
    def amended(self) -> bool:
        """Whether an amendment replaced the original."""
        return self.effective is not None and self.effective.kind == EventKind.AMEND

    @property
    def deviated(self) -> bool:
        """Whether the effective event has a value outside its limits, with a reason."""
        return self.effective is not None and bool(self.effective.deviations)


@dataclass(frozen=True, slots=True)
class Outline:
    """The part of a ledger that decides the state of its run. Its size depends on the number of steps alone.

    Attributes:
        newest: The newest event.
        last_change: The newest event about the run as a whole.
        effective: The effective event of each resolved step, by the step's id.
        completed_at: When the last step was resolved; None if one is unresolved.
    """

    newest: RunEvent
    last_change: RunEvent
    effective: Mapping[int, RunEvent]
    completed_at: datetime | None

    def after(self, event: RunEvent, steps: Sequence[Step]) -> "Outline":
        """Return the outline after one more event, for a run of these steps."""
        if event.step_id is None:
            return replace(self, newest=event, last_change=event)
        effective = {**self.effective, event.step_id: event}
        is_complete = all(step.pk in effective for step in steps)
        completed_at = self.completed_at or (event.recorded_at if is_complete else None)
        return replace(self, newest=event, effective=effective, completed_at=completed_at)


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a run.

    Attributes:
        status: The run's state.
        ended_at: When it was completed or aborted.
        end_reason: Why it was aborted.
        steps: The states of its steps, by position.
    """

    status: RunStatus
    ended_at: datetime | None
    end_reason: str | None
    steps: Sequence[StepProgress]

    @property
    def resolved(self) -> int:
        """How many steps are committed or skipped."""
        return sum(step.resolved for step in self.steps)

    @property
    def total(self) -> int:
        """How many steps there are."""
        return len(self.steps)

    @property
    def next_steps(self) -> list[str]:
        """The keys of the steps that can be done now; none if the run has ended."""
        return [progress.step.key for progress in self.steps if progress.state is StepState.AVAILABLE]

    def of(self, step: Step) -> StepProgress:
        """Return the state of `step`."""
        return next(progress for progress in self.steps if progress.step.pk == step.pk)

    def unresolved_before(self, step: Step) -> list[str]:
        """Return the keys of the steps before `step` that are not resolved yet."""
        return [
            earlier.step.key for earlier in self.steps if earlier.step.position < step.position and not earlier.resolved
        ]


def outline_of(steps: Sequence[Step], events: Sequence[RunEvent]) -> Outline:
    """Return the outline of a whole ledger, ordered by seq, for a run of these steps."""
    return Outline(
        newest=events[-1],
        last_change=next(event for event in reversed(events) if event.step_id is None),
        effective={event.step_id: event for event in events if event.step_id is not None},
        completed_at=_completed_at(steps, events),
    )


def progress_of(ordering: str, steps: Sequence[Step], outline: Outline) -> Progress:
    """Derive the state of a run from its pinned steps, ordered by position, and the outline of its ledger."""
    status = STATUS_AFTER[EventKind(outline.last_change.kind)]
    ended_at = outline.last_change.recorded_at if status is RunStatus.ABORTED else None
    if status is RunStatus.IN_PROGRESS and outline.completed_at is not None:
        status, ended_at = RunStatus.COMPLETED, outline.completed_at
    return Progress(
        status=status,
        ended_at=ended_at,
        end_reason=outline.last_change.reason if status is RunStatus.ABORTED else None,
        steps=_steps(ordering, steps, outline.effective, has_ended=ended_at is not None),
    )


def _completed_at(steps: Sequence[Step], events: Sequence[RunEvent]) -> datetime | None:
    """Return when the last step was resolved; None if one is unresolved."""
    unresolved = {step.pk for step in steps}
    for event in events:
        if event.step_id in unresolved:
            unresolved.discard(event.step_id)
            if not unresolved:
                return event.recorded_at
    return None


def _steps(
    ordering: str, steps: Sequence[Step], effective: Mapping[int, RunEvent], *, has_ended: bool
) -> list[StepProgress]:
    found = []
    is_blocked = has_ended
    for step in steps:
        event = effective.get(step.pk)
        found.append(StepProgress(step, _state(event, is_blocked=is_blocked), event))
        if event is None and ordering == Ordering.STRICT:
            is_blocked = True
    return found


def _state(effective: RunEvent | None, *, is_blocked: bool) -> StepState:
    if effective is None:
        return StepState.PENDING if is_blocked else StepState.AVAILABLE
    return StepState.SKIPPED if effective.kind == EventKind.SKIP else StepState.COMMITTED
