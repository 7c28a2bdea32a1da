"""What a run's ledger amounts to: the run's state, each step's, and what comes next. All derived."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from procedures.models import Ordering, Step
from runs.models import STEP_KINDS, EventKind, RunEvent, RunStatus


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


def progress_of(ordering: str, steps: Sequence[Step], events: Sequence[RunEvent]) -> Progress:
    """Derive where a run stands from its pinned steps (in their order) and its ledger (by seq)."""
    effective = {event.step_id: event for event in events if event.kind in STEP_KINDS}
    status, last_change = _status(events)
    completing = _completing_event(steps, events)
    if status is RunStatus.IN_PROGRESS and completing is not None:
        status, last_change = RunStatus.COMPLETED, completing
    has_ended = status in (RunStatus.COMPLETED, RunStatus.ABORTED)
    return Progress(
        status=status,
        ended_at=last_change.recorded_at if has_ended else None,
        end_reason=last_change.reason if status is RunStatus.ABORTED else None,
        steps=_steps(ordering, steps, effective, has_ended=has_ended),
    )


def _status(events: Sequence[RunEvent]) -> tuple[RunStatus, RunEvent]:
    """Return the state after the last event about the run as a whole, and that event."""
    after = {
        EventKind.START: RunStatus.IN_PROGRESS,
        EventKind.PAUSE: RunStatus.PAUSED,
        EventKind.RESUME: RunStatus.IN_PROGRESS,
        EventKind.ABORT: RunStatus.ABORTED,
    }
    last_change = next(event for event in reversed(events) if event.kind in after)
    return after[EventKind(last_change.kind)], last_change


def _completing_event(steps: Sequence[Step], events: Sequence[RunEvent]) -> RunEvent | None:
    """Return the event that resolved the last unresolved step, if all are resolved."""
    unresolved = {step.pk for step in steps}
    for event in events:
        if event.step_id in unresolved:
            unresolved.discard(event.step_id)
            if not unresolved:
                return event
    return None


def _steps(
    ordering: str, steps: Sequence[Step], effective: dict[int | None, RunEvent], *, has_ended: bool
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
