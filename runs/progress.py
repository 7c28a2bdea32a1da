"""What a run's ledger amounts to: the run's state, each step's, and what comes next. All derived."""

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
"""The state of a run after an event about the run as a whole; unless all steps are resolved by then."""


class StepState(StrEnum):
    """The states of a step in a run."""

    PENDING = "pending"
    AVAILABLE = "available"
    COMMITTED = "committed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Where one step stands.

    Attributes:
        step: The step.
        state: Its state.
        effective: The event that counts: the original commit or skip, or its newest amendment; None if unresolved.
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
        """Whether a value that counts lies outside its limits, for a reason."""
        return self.effective is not None and bool(self.effective.deviations)


@dataclass(frozen=True, slots=True)
class Outline:
    """What decides, of a ledger, where its run stands: as much of it as there are steps, however long it is.

    Attributes:
        newest: The newest event.
        last_change: The newest event about the run as a whole.
        effective: By the id of its step, the event that counts: a commit, a skip, or its newest amendment.
        completed_at: When the last step was resolved; None while one is not.
    """

    newest: RunEvent
    last_change: RunEvent
    effective: Mapping[int, RunEvent]
    completed_at: datetime | None

    def after(self, event: RunEvent, steps: Sequence[Step]) -> "Outline":
        """Return the outline with one more event, in a run of these steps."""
        if event.step_id is None:
            return replace(self, newest=event, last_change=event)
        effective = {**self.effective, event.step_id: event}
        is_complete = all(step.pk in effective for step in steps)
        completed_at = self.completed_at or (event.recorded_at if is_complete else None)
        return replace(self, newest=event, effective=effective, completed_at=completed_at)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Attributes:
        status: The run's state.
        ended_at: When it was completed or aborted.
        end_reason: Why it was aborted.
        steps: Where its steps stand, in their order.
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
        """The keys of the steps that come next; none in a run that has ended."""
        return [progress.step.key for progress in self.steps if progress.state is StepState.AVAILABLE]

    def of(self, step: Step) -> StepProgress:
        """Return where `step` stands."""
        return next(progress for progress in self.steps if progress.step.pk == step.pk)

    def unresolved_before(self, step: Step) -> list[str]:
        """Return the keys of the steps before `step` that are not resolved yet."""
        return [
            earlier.step.key for earlier in self.steps if earlier.step.position < step.position and not earlier.resolved
        ]


def outline_of(steps: Sequence[Step], events: Sequence[RunEvent]) -> Outline:
    """Return the outline of a whole ledger (by seq) of a run of these steps."""
    return Outline(
        newest=events[-1],
        last_change=next(event for event in reversed(events) if event.step_id is None),
        effective={event.step_id: event for event in events if event.step_id is not None},
        completed_at=_completed_at(steps, events),
    )


def progress_of(ordering: str, steps: Sequence[Step], outline: Outline) -> Progress:
    """Derive where a run stands from its pinned steps (in their order) and the outline of its ledger."""
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
    """Return when the last unresolved step was resolved, if all are."""
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
