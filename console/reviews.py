"""What deviated from procedures in the last days, and how long steps take against what was expected."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from django.db.models import QuerySet

from procedures.models import Step
from runs.models import UNUSUAL, RunEvent
from runs.pages import newest_runs
from runs.states import RESOLVING_KINDS

MOST_EVENTS = 200
MOST_RUNS = 500  # whose steps are timed


@dataclass(frozen=True, slots=True)
class StepDuration:
    """How long a step takes.

    Attributes:
        seconds: The median, from the event before to the event that resolved it.
        longest_seconds: The longest.
        expected_seconds: What the author expects; None if that is not said.
        count: How often it was timed.
        share: The median as a share of the widest bar on the chart, in percent.
        expected_share: What is expected, likewise.
    """

    key: str
    title: str
    seconds: float
    longest_seconds: float
    expected_seconds: int | None
    count: int
    share: float
    expected_share: float

    @property
    def is_late(self) -> bool:
        """Whether it usually takes longer than expected."""
        return self.expected_seconds is not None and self.seconds > self.expected_seconds


def exceptions_since(since: datetime) -> QuerySet[RunEvent]:
    """Return the deviations, amendments, skips and aborts that were recorded since, the newest first."""
    events = RunEvent.objects.filter(UNUSUAL, recorded_at__gte=since)
    return events.select_related("run__revision__procedure", "step").order_by("-recorded_at")[:MOST_EVENTS]


def durations_of_steps(procedure_key: str, since: datetime) -> list[StepDuration]:
    """Return how long the steps of a procedure took in the newest runs since then, in the order of the newest run."""
    runs = newest_runs({"procedure": procedure_key, "started_after": since}, MOST_RUNS).values_list("pk", flat=True)
    # Apart from their steps, which are few: joined, PostgreSQL would look through all there are.
    events = RunEvent.objects.filter(run__in=list(runs)).prefetch_related("step").order_by("run_id", "seq")
    events = events.only("run_id", "seq", "kind", "recorded_at", "step_id")
    seconds: dict[str, list[float]] = defaultdict(list)
    steps = {}
    previous: RunEvent | None = None
    for event in events:
        if event.kind in RESOLVING_KINDS and event.step and previous and previous.run_id == event.run_id:
            seconds[event.step.key].append((event.recorded_at - previous.recorded_at).total_seconds())
            steps[event.step.key] = event.step
        previous = event
    return _charted([(steps[key], taken) for key, taken in seconds.items()])


def _charted(timed: Sequence[tuple[Step, Sequence[float]]]) -> list[StepDuration]:
    """Return the durations, with the widths of their bars."""
    widest = max((max(median(taken), step.expected_duration_s or 0) for step, taken in timed), default=0) or 1
    return [
        StepDuration(
            step.key, step.title, median(taken), max(taken), step.expected_duration_s, len(taken),
            share=round(100 * median(taken) / widest, 1),
            expected_share=round(100 * (step.expected_duration_s or 0) / widest, 1),
        )
        for step, taken in sorted(timed, key=lambda pair: pair[0].position)
    ]  # fmt: skip
