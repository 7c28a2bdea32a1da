"""Where a run stands, derived from its ledger: the run's state, the state of each step, and what comes next.

Nothing here reads the database: runs/records.py and runs/bodies.py make ledger lines of what they read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from itertools import takewhile
from typing import NamedTuple

from procedures.models import Ordering
from runs.states import EventKind, RunStatus

STATUS_AFTER = {
    EventKind.START: RunStatus.IN_PROGRESS,
    EventKind.PAUSE: RunStatus.PAUSED,
    EventKind.RESUME: RunStatus.IN_PROGRESS,
    EventKind.ABORT: RunStatus.ABORTED,
}
"""The run's state after an event about the run as a whole, unless all steps are resolved by then."""


class StepState(StrEnum):
    """The states of a step in a run."""

    PENDING = "pending"
    AVAILABLE = "available"
    COMMITTED = "committed"
    SKIPPED = "skipped"


class LedgerLine(NamedTuple):
    """The part of an event that decides where its run stands.

    Attributes:
        seq: The number of the event in its run.
        kind: What happened, as in `EventKind`.
        step_key: The key of its step; None if the event is about the run as a whole.
        deviates: Whether it has a value outside its slot's limits.
        reason: Why it happened; None where nobody said so.
        recorded_at: When it was recorded.
    """

    seq: int
    kind: str
    step_key: str | None
    deviates: bool
    reason: str | None
    recorded_at: datetime


class PinnedStep(NamedTuple):
    """The key and the title of a step of the run's revision."""

    key: str
    title: str


class StepProgress(NamedTuple):
    """Where one step stands.

    Attributes:
        step: The step.
        state: Its state.
        effective: The original commit or skip, or its newest amendment; None if the step is unresolved.
    """

    step: PinnedStep
    state: StepState
    effective: LedgerLine | None

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
        """Whether a value that counts lies outside its slot's limits."""
        return self.effective is not None and self.effective.deviates


@dataclass(frozen=True)
class Progress:
    """Where a run stands. It grows with the steps of the procedure, not with the ledger.

    Attributes:
        ordering: Whether the steps are resolved one after the other or in any order, as in `Ordering`.
        pinned_steps: The steps of its revision, in their order.
        last_seq: The seq of the newest event.
        last_change: The newest event about the run as a whole.
        effective: For each resolved step, by its key, the event that counts.
        completed_at: When the last step was resolved; None while one is not.
    """

    ordering: str
    pinned_steps: Sequence[PinnedStep]
    last_seq: int
    last_change: LedgerLine
    effective: Mapping[str, LedgerLine]
    completed_at: datetime | None

    @property
    def recorded_at(self) -> datetime:
        """When the newest event was recorded."""
        return max(self.lines).recorded_at

    @property
    def status(self) -> RunStatus:
        """The run's state."""
        is_completed = self.completed_at is not None
        return RunStatus.COMPLETED if is_completed else STATUS_AFTER[EventKind(self.last_change.kind)]

    @property
    def ended_at(self) -> datetime | None:
        """When the run was completed or aborted."""
        return self.last_change.recorded_at if self.status is RunStatus.ABORTED else self.completed_at

    @property
    def end_reason(self) -> str | None:
        """Why the run was aborted."""
        return self.last_change.reason if self.status is RunStatus.ABORTED else None

    @cached_property
    def steps(self) -> Sequence[StepProgress]:
        """Where the steps stand, in their order."""
        steps = []
        is_blocked = self.ended_at is not None
        for step in self.pinned_steps:
            effective = self.effective.get(step.key)
            steps.append(StepProgress(step, _state(effective, is_blocked=is_blocked), effective))
            is_blocked = is_blocked or (effective is None and self.ordering == Ordering.STRICT)
        return steps

    @property
    def lines(self) -> Sequence[LedgerLine]:
        """The events that count: of each resolved step, and the newest about the run as a whole."""
        return [self.last_change, *self.effective.values()]

    @property
    def resolved(self) -> int:
        """How many steps are committed or skipped."""
        return len(self.effective)

    @property
    def total(self) -> int:
        """How many steps there are."""
        return len(self.pinned_steps)

    @property
    def next_steps(self) -> list[str]:
        """The keys of the steps that can be done now; none if the run has ended."""
        return [progress.step.key for progress in self.steps if progress.state is StepState.AVAILABLE]

    def of(self, step_key: str) -> StepProgress:
        """Return where the step with this key stands."""
        return next(progress for progress in self.steps if progress.step.key == step_key)

    def unresolved_before(self, step_key: str) -> list[str]:
        """Return the keys of the unresolved steps before the one with this key."""
        earlier = takewhile(lambda progress: progress.step.key != step_key, self.steps)
        return [progress.step.key for progress in earlier if not progress.resolved]

    def after(self, line: LedgerLine) -> "Progress":
        """Return where the run stands after one more event."""
        if line.step_key is None:
            return replace(self, last_seq=line.seq, last_change=line)
        effective = {**self.effective, line.step_key: line}
        is_complete = len(effective) == self.total
        completed_at = self.completed_at or (line.recorded_at if is_complete else None)
        return replace(self, last_seq=line.seq, effective=effective, completed_at=completed_at)


def progress_of(ordering: str, steps: Sequence[PinnedStep], lines: Sequence[LedgerLine]) -> Progress:
    """Derive where a run of these steps stands from the lines of its ledger, in the order of their seq.

    Enough are the first and the newest line of each step, and the newest about the run as a whole.
    """
    effective = {line.step_key: line for line in lines if line.step_key is not None}
    resolving = {line.step_key: line for line in reversed(lines) if line.step_key is not None}
    return Progress(
        ordering=ordering,
        pinned_steps=steps,
        last_seq=lines[-1].seq,
        last_change=next(line for line in reversed(lines) if line.step_key is None),
        effective=effective,
        completed_at=max(resolving.values()).recorded_at if len(resolving) == len(steps) else None,
    )


def _state(effective: LedgerLine | None, *, is_blocked: bool) -> StepState:
    if effective is None:
        return StepState.PENDING if is_blocked else StepState.AVAILABLE
    return StepState.SKIPPED if effective.kind == EventKind.SKIP else StepState.COMMITTED
