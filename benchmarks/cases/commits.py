"""What a commit costs on a run with a long history, against one with a short history, by turns."""

import statistics
import time
from collections.abc import Callable

from benchmarks.histories import Operator
from benchmarks.load import Connection
from benchmarks.measurement import LIST, Findings, Measurement, compare
from benchmarks.servers import OURS, serving
from procedures_project.embedded import HOST

SHORT, LONG = 10, 1000
QUICK_LONG = 100
STEPS = 200
COMMITS_ON_A_SHORT_RUN = 5  # then it would no longer be short
GOAL = 1.5


def measure(measurement: Measurement) -> Findings:
    """Commit by turns; a round's cost is the median of its commits."""
    workload = measurement.stores.workload(procedures=1, steps=STEPS)
    token = workload.tokens["operator"]
    with (
        serving([OURS], measurement.folder, workload.environment, path=LIST, token=token) as servers,
        Connection(HOST, servers["ours"].port) as connection,
    ):
        operator = Operator(connection, token)
        events = QUICK_LONG if measurement.plan.is_quick else LONG
        long, short = LongRun(operator, events), ShortRuns(operator)
        pairs = 5 if measurement.plan.is_quick else 20
        commits = {"long": long.commit, "short": short.commit}
        rounds = [_round(measurement, commits, pairs) for _ in range(measurement.plan.rounds)]
        facts = {"per_commit": {"long": _walk(measurement, long.commit), "short": _walk(measurement, short.commit)}}
    line = compare(
        rounds,
        "long",
        "short",
        path=f"cost of a commit on a run of {events} events",
        conditions=f"against one of {SHORT}",
        goal=GOAL,
        is_limit=True,
    )
    return Findings({"seconds": rounds}, [line], facts)


class LongRun:
    """A run with a long history, of which each commit takes the next step."""

    def __init__(self, operator: Operator, events: int) -> None:
        self._operator = operator
        self._run_id = operator.start_with(events)
        self._position = 1

    def commit(self) -> float:
        """Commit, and return the seconds."""
        self._position += 1
        return timed(lambda: self._operator.commit(self._run_id, self._position))


class ShortRuns:
    """Runs with short histories; none is used for long.

    Attributes:
        run_id: The one that was committed to last.
    """

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self.run_id = ""
        self._commits = COMMITS_ON_A_SHORT_RUN

    def commit(self) -> float:
        """Commit, and return the seconds, without those of starting another run."""
        if self._commits == COMMITS_ON_A_SHORT_RUN:
            self.run_id = self._operator.start_with(SHORT)
            self._commits = 0
        self._commits += 1
        return timed(lambda: self._operator.commit(self.run_id, 1 + self._commits))


def timed(request: Callable[[], object]) -> float:
    """Return the seconds that a request takes."""
    started = time.perf_counter()
    request()
    return time.perf_counter() - started


def _round(measurement: Measurement, commits: dict[str, Callable[[], float]], pairs: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in commits}
    for _ in range(pairs):
        for name in measurement.dice.sample(list(commits), len(commits)):
            taken[name].append(commits[name]())
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _walk(measurement: Measurement, commit: Callable[[], float]) -> dict[str, object]:
    commit()  # so that no run is started while the stores are asked what they did
    with measurement.stores.counting() as walk:
        commit()
    return walk.per_request(1)
