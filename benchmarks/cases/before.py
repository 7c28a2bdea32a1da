"""This tree against another one, such as the one before a change: hits, misses and commits, by turns."""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.cases.commits import STEPS, ShortRuns, timed
from benchmarks.cases.hit import PROCEDURES
from benchmarks.histories import Operator
from benchmarks.load import Connection, request_bytes
from benchmarks.measurement import CONNECTIONS, LIST, Findings, Measurement, Reader, compare, connections_text, series
from benchmarks.ratios import Comparison, Round
from benchmarks.servers import OURS, Server, Subject, serving
from procedures_project.embedded import HOST

PATH = "this tree against the one before"
GOAL = 0.95
COMMITS = 40


def measure(measurement: Measurement, before: Path) -> Findings:
    """Measure both in each round.

    Args:
        measurement: What every case gets.
        before: The folder of the other tree. It runs on this one's installed packages and database.
    """
    subjects = [OURS, Subject("before", source=before)]
    rates, seconds = _rates(measurement, subjects), _seconds(measurement, subjects)
    lines = [*_comparisons_of_hits(rates), *(_comparison_of_seconds(seconds, what) for what in ("commit", "miss"))]
    return Findings({"rates": rates, "seconds": seconds}, lines)


def _rates(measurement: Measurement, subjects: list[Subject]) -> Sequence[Round]:
    workload = measurement.stores.workload(PROCEDURES)
    token = workload.tokens["viewer"]
    with serving(subjects, measurement.folder, workload.environment, path=LIST, token=token) as servers:
        measures = {
            series(name, connections): partial(Reader(server, token, connections).rate, measurement.plan.seconds)
            for name, server in servers.items()
            for connections in CONNECTIONS
        }
        return measurement.alternate(measures)


def _seconds(measurement: Measurement, subjects: list[Subject]) -> Sequence[Round]:
    """Return the seconds of a commit, and of the read after it, which finds no body."""
    workload = measurement.stores.workload(procedures=1, steps=STEPS)
    token = workload.tokens["operator"]
    with (
        ExitStack() as stack,
        serving(subjects, measurement.folder, workload.environment, path=LIST, token=token) as servers,
    ):
        runs = {name: CommittedRun(server, token, stack) for name, server in servers.items()}
        commits = 5 if measurement.plan.is_quick else COMMITS
        return [_round(measurement, runs, commits) for _ in range(measurement.plan.rounds)]


class CommittedRun:
    """A run that grows, and is read after each commit."""

    def __init__(self, server: Server, token: str, stack: ExitStack) -> None:
        self._connection = stack.enter_context(Connection(HOST, server.port))
        self._token = token
        self._runs = ShortRuns(Operator(self._connection, token))

    def commit(self) -> float:
        """Commit, and return the seconds."""
        return self._runs.commit()

    def read(self) -> float:
        """Read the run that was committed to last, and return the seconds."""
        request = request_bytes("GET", f"/runs/{self._runs.run_id}", self._token)
        return timed(lambda: self._connection.exchange(request))


def _round(measurement: Measurement, runs: dict[str, CommittedRun], commits: int) -> Round:
    taken: dict[str, list[float]] = {}
    for _ in range(commits):
        for name in measurement.dice.sample(list(runs), len(runs)):
            taken.setdefault(f"{name} commit", []).append(runs[name].commit())
            taken.setdefault(f"{name} miss", []).append(runs[name].read())
    measured = {name: statistics.median(seconds) for name, seconds in taken.items()}
    measurement.say("  " + ", ".join(f"{name} {seconds * 1000:.3g} ms" for name, seconds in sorted(measured.items())))
    return measured


def _comparisons_of_hits(rounds: Sequence[Round]) -> list[Comparison]:
    return [
        compare(
            rounds,
            series("ours", connections),
            series("before", connections),
            path=f"{PATH}: hits",
            conditions=connections_text(connections),
            goal=GOAL,
        )
        for connections in CONNECTIONS
    ]


def _comparison_of_seconds(rounds: Sequence[Round], what: str) -> Comparison:
    return compare(rounds, f"before {what}", f"ours {what}", path=f"{PATH}: {what}", conditions="over HTTP", goal=GOAL)
