"""The metrics of runs. Every child exists from the start, so that `rate()` is 0 before anything has happened."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar

from prometheus_client import Counter, Gauge, Histogram

from rest.problems import Problem
from runs.models import RunEvent
from runs.records import RunHead
from runs.states import ENDED, NOT_ENDED, RESOLVING_KINDS, EventKind
from versioned_cache.figures import Tally

MINUTE, HOUR, DAY = 60, 3600, 86_400


class WriteOutcome(StrEnum):
    """What became of a write."""

    RECORDED = "recorded"
    REPLAYED = "replayed"
    REFUSED = "refused"


WRITES = Counter(
    "backend_run_writes_total", "Writes to runs, by the kind of event and what became of them.", ["kind", "outcome"]
)
ENDS = Counter("backend_runs_ended_total", "Runs that ended, by how.", ["status"])
DEVIATIONS = Counter("backend_run_deviations_total", "Values that were recorded outside their limits.")
RUN_SECONDS = Histogram(
    "backend_run_duration_seconds",
    "From the start of a run to its end.",
    ["status"],
    buckets=(MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, DAY, 7 * DAY),
)
STEP_SECONDS = Histogram(
    "backend_run_step_duration_seconds",
    "From the last thing that was recorded in a run to the commit or skip of a step.",
    buckets=(5, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR, DAY),
)
UNFINISHED = Gauge(
    "backend_runs_unfinished", "Runs in progress and paused, as of some seconds ago.", ["status"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
CHECKED_AT = Gauge(
    "backend_ledger_checked_timestamp_seconds", "When verify_ledger last went through all runs.",
    multiprocess_mode="max",
)  # fmt: skip
FAULTY = Gauge(
    "backend_ledger_faulty_runs", "Runs that verify_ledger found faulty when it last went through all.",
    multiprocess_mode="mostrecent",
)  # fmt: skip

for _kind in EventKind:
    for _outcome in WriteOutcome:
        WRITES.labels(_kind.value, _outcome)
for _status in ENDED:
    ENDS.labels(_status.value)
    RUN_SECONDS.labels(_status.value)
for _status in NOT_ENDED:
    UNFINISHED.labels(_status.value)

Action = TypeVar("Action", bound=Callable[..., Any])


def counted(kind: EventKind) -> Callable[[Action], Action]:
    """Count the calls of an action that record no event: those that are refused, and repetitions."""

    def decorate(action: Action) -> Action:
        @wraps(action)
        def counting(**arguments: Any) -> Any:
            try:
                outcome = action(**arguments)
            except Problem:
                WRITES.labels(kind.value, WriteOutcome.REFUSED).inc()
                raise
            if outcome.answer.is_replayed:
                WRITES.labels(kind.value, WriteOutcome.REPLAYED).inc()
            return outcome

        return counting  # type: ignore[return-value]  # wraps() keeps the signature

    return decorate


def count_recorded(event: RunEvent, head: RunHead) -> None:
    """Count an event that was committed; `head` is its run right after it."""
    WRITES.labels(str(event.kind), WriteOutcome.RECORDED).inc()
    DEVIATIONS.inc(len(event.deviations))
    if event.kind in RESOLVING_KINDS:
        before = max(line.recorded_at for line in head.progress.lines if line.seq != event.seq)
        STEP_SECONDS.observe((event.recorded_at - before).total_seconds())
    ended_at = head.progress.ended_at
    if ended_at is not None and event.kind != EventKind.AMEND:  # amending a completed run ends it no second time
        status = head.progress.status.value
        ENDS.labels(status).inc()
        RUN_SECONDS.labels(status).observe((ended_at - head.run.started_at).total_seconds())


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """What `verify_ledger` found when it last went through all runs.

    Attributes:
        at: When it had done so.
        faulty: How many runs it found faulty.
    """

    at: datetime
    faulty: int


def last_ledger_check(tally: Tally) -> LedgerCheck | None:
    """Return what the last check of all runs found; None if that is not known here."""
    at = tally.instant(CHECKED_AT)
    return None if at is None else LedgerCheck(at, int(tally.level(FAULTY)))
