"""How a case measures: its servers, its alternating rounds, and what it hands to the report."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load import Answer, Load, LoadError, Target, request_bytes
from benchmarks.ratios import Comparison, Round, ratio_of
from benchmarks.servers import Server
from benchmarks.stores import Stores
from procedures_project.embedded import HOST

LIST = "/procedures"
CONNECTIONS = (1, 8, 64)
COUNTED_REQUESTS = 20
WARM_UP_SECONDS = 0.3


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float
    is_quick: bool


@dataclass
class Findings:
    """What a case found."""

    rounds: dict[str, Sequence[Round]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """What every case gets: the stores, the plan, and somebody to talk to."""

    stores: Stores
    folder: Path
    plan: Plan
    say: Callable[[str], None]
    dice: random.Random

    def alternate(
        self, measures: Mapping[str, Callable[[], float]], rounds: int | None = None
    ) -> list[dict[str, float]]:
        """Measure everything once a round, in another order each time."""
        measured: list[dict[str, float]] = []
        for number in range(rounds or self.plan.rounds):
            order = self.dice.sample(list(measures), len(measures))
            taken = {series: measures[series]() for series in order}
            measured.append({series: taken[series] for series in measures})
            self.say(
                f"  round {number + 1}: " + ", ".join(f"{name} {value:.4g}" for name, value in measured[-1].items())
            )
        return measured


class Reader:
    """Reads one thing from one server over some connections, and sees to it that it stays the same."""

    def __init__(  # noqa: PLR0913  # what a request consists of
        self,
        server: Server,
        token: str,
        connections: int = 1,
        *,
        path: str = LIST,
        headers: Mapping[str, str] | None = None,
        status: int = 200,
        digest: str | None = None,
    ) -> None:
        self._target = Target(HOST, server.port, request_bytes("GET", path, token, headers), status)
        self._connections = connections
        self._digest = digest

    def answers(self, number: int = 1) -> list[Answer]:
        """Return so many answers, one after the other on one connection.

        Raises:
            LoadError: the content of one is not the expected one.
        """
        with Load(self._target, connections=1) as load:
            return self._checked([load.probe() for _ in range(number)])

    def rate(self, seconds: float) -> float:
        """Check one answer, which also finds what idled awake, and return the answers per second after it.

        The connections are new each time: the server hangs up on those that idle while others are measured.
        """
        with Load(self._target, self._connections) as load:
            self._checked([load.probe()])
            return load.rate(seconds)

    def _checked(self, answers: list[Answer]) -> list[Answer]:
        if self._digest is not None and any(answer.digest != self._digest for answer in answers):
            raise LoadError("The body is not the one that the service answers.")
        return answers


def body_of(server: Server, token: str, path: str = LIST) -> Answer:
    """Return what a server answers."""
    return Reader(server, token, path=path).answers()[0]


def walk_of(stores: Stores, reader: Reader) -> dict[str, Any]:
    """Return what a warm request asks of the stores, by their own account."""
    reader.rate(WARM_UP_SECONDS)
    with stores.counting() as walk:
        reader.answers(COUNTED_REQUESTS)
    return walk.per_request(COUNTED_REQUESTS)


def memory_of(server: Server) -> list[dict[str, int]]:
    """Return the memory of each worker in bytes: all it maps, and its fair share of what it shares."""
    taken = [worker.memory_full_info() for worker in server.workers()]
    return [{"rss": memory.rss, "pss": memory.pss} for memory in taken]


def compare(  # noqa: PLR0913  # a line of the table has so many columns
    rounds: Sequence[Round],
    subject: str,
    reference: str,
    *,
    path: str,
    conditions: str,
    goal: float | None = None,
    is_limit: bool = False,
) -> Comparison:
    """Return a line of the table."""
    ratio = ratio_of(rounds, subject, reference)
    return Comparison(path, conditions, subject, reference, ratio, goal, is_limit)


def series(name: str, connections: int) -> str:
    """Return the name of a series: who, over how many connections."""
    return f"{name} x{connections}"


def connections_text(connections: int) -> str:
    """Return a condition as people say it."""
    return "1 connection" if connections == 1 else f"{connections} connections"
