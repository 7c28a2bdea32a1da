"""The list after a change of one procedure, by its length: the first read, that in another process, the gzip form.

Beside it stand the same reads of the tree before, if there is one that serves so long a list, or else a build of the
whole: a read after a change of every procedure. Each tree has two processes and a Redis database; PostgreSQL is the
same. Changes are made past the services and the counters bumped for them, so they cost both trees the same: nothing.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from itertools import count
from pathlib import Path

import psycopg
from redis import Redis

from benchmarks.cases.commits import timed
from benchmarks.load import Connection, LoadError, request_bytes
from benchmarks.measurement import LIST, Findings, Measurement, compare, memory_of
from benchmarks.ratios import Comparison, Round
from benchmarks.servers import Server, Subject, serving
from procedures_project.embedded import HOST
from tests import PROJECT_DIR

PROCEDURES = (100, 1_000, 10_000)
STEPS = 13  # 4.4 KB for a procedure
NOT_SLOWER = 0.95
GOALS = {100: NOT_SLOWER, 1_000: 1 / 0.15, 10_000: 1 / 0.1}
READS = ("first read", "other process", "gzip")
ROUNDS = 5
ROOM_BYTES = 64 * 1024 * 1024  # for an answer; to make it while one is received would take longer than some of them
MOST_BODIES = 3  # in a worker's memory, over what it took before it had read a list
LEASE_MS = 60_000
CHANGE = "UPDATE procedures_procedure SET tags = ARRAY['change-' || %(number)s::text] WHERE %(key)s IN ('', key)"
TIDY = "VACUUM procedures_procedure, resource_version"  # for after a change of all, which costs the next read otherwise
VERSION = "SELECT version FROM resource_version WHERE resource = 'procedures:list'"


def measure(measurement: Measurement, before: Path | None = None) -> Findings:
    """Measure each length.

    Args:
        measurement: What every case gets.
        before: The folder of another tree, if there is one to compare with.
    """
    findings = Findings()
    folders = {"ours": PROJECT_DIR} | ({} if before is None else {"before": before})
    for procedures in PROCEDURES[:1] if measurement.plan.is_quick else PROCEDURES:
        name = f"one change among {procedures:,} procedures"
        measurement.say(f"  {name}")
        with ExitStack() as stack:
            trees = _trees(measurement, stack, procedures, folders)
            growth = next(tree.growth() for tree in trees if tree.name == "ours")
            rounds = _rounds(measurement, trees)
            if rounds is None:
                measurement.say("  The tree before does not always serve it.")
                rounds = _rounds(measurement, [tree for tree in trees if tree.name == "ours"]) or []
        findings.rounds |= {name: rounds, f"{name}, bytes": [growth]}
        reference = "before" if "before whole" in rounds[0] else "ours whole"
        findings.comparisons += [_comparison(rounds, name, read, reference, GOALS[procedures]) for read in READS]
        if procedures == PROCEDURES[-1]:  # a short list is lost in what else a worker takes
            growths = "memory of a worker over its base, in bodies"
            findings.comparisons.append(
                compare([growth], "ours", "body", path=name, conditions=growths, goal=MOST_BODIES, is_limit=True)
            )
    return findings


class TreeBeforeRefused(LoadError):
    """The tree before has refused a read, as it may refuse what takes it too long."""


@dataclass(frozen=True)
class Tree:
    """Two processes of one tree, and how a procedure is changed, or all of them.

    Attributes:
        here, elsewhere: The processes.
        base_bytes: What the first of them took before it had read a list.
        change: Changes a procedure, or all, and bumps the counters.
    """

    name: str
    here: Server
    elsewhere: Server
    token: str
    base_bytes: int
    change: Callable[[bool], None]

    def seconds(self) -> Round:
        """Return the seconds of each read."""
        self.change(True)
        taken = {"whole": self._read(self.here)}
        self._read(self.elsewhere)
        self._read(self.here, gzip=True)
        self.change(False)
        taken["first read"] = self._read(self.here)
        taken["other process"] = self._read(self.elsewhere)
        taken["gzip"] = self._read(self.here, gzip=True)
        return {f"{self.name} {what}": seconds for what, seconds in taken.items()}

    def growth(self) -> Round:
        """Return how much a worker grows when it builds the list, compresses it, and builds it after a change.

        In bytes, beside the length of the body.
        """
        self._read(self.here)
        self._read(self.here, gzip=True)
        self.change(False)
        with Connection(HOST, self.here.port, ROOM_BYTES) as connection:
            body = connection.exchange(request_bytes("GET", LIST, self.token)).body
        self._read(self.here, gzip=True)
        (worker,) = memory_of(self.here)
        return {"ours": worker["rss"] - self.base_bytes, "body": len(body)}

    def _read(self, server: Server, *, gzip: bool = False) -> float:
        request = request_bytes("GET", LIST, self.token, {"Accept-Encoding": "gzip"} if gzip else {})
        with Connection(HOST, server.port, ROOM_BYTES) as connection:
            connection.exchange(request_bytes("GET", "/runs", self.token))  # so that the bearer is known
            return timed(lambda: self._checked(connection, request))

    def _checked(self, connection: Connection, request: bytes) -> None:
        answer = connection.exchange(request)
        if answer.status != HTTPStatus.OK:
            error = LoadError if self.name == "ours" else TreeBeforeRefused
            raise error(f"A list was answered {answer.status}.")


def _trees(measurement: Measurement, stack: ExitStack, procedures: int, folders: dict[str, Path]) -> list[Tree]:
    workload = measurement.stores.workload(procedures, STEPS)
    database = stack.enter_context(psycopg.connect(workload.database_url, autocommit=True))
    urls = {name: f"{measurement.stores.redis_url.rpartition('/')[0]}/{number}" for number, name in enumerate(folders)}
    subjects = [
        Subject(f"{name} {which}", environment={"REDIS_URL": urls[name]}, source=folder)
        for name, folder in folders.items()
        for which in ("here", "elsewhere")
    ]
    token = workload.tokens["viewer"]
    servers = stack.enter_context(
        serving(subjects, measurement.folder, workload.environment, path="/runs", token=token)
    )
    numbers = count()
    clients = {name: stack.enter_context(Redis.from_url(url)) for name, url in urls.items()}

    def change(name: str, everything: bool) -> None:
        number = next(numbers)
        key = "" if everything else f"procedure-{number * 7 % procedures + 1:04}"
        database.execute(CHANGE, {"number": number, "key": key})
        if everything:
            database.execute(TIDY)
        (version,) = database.execute(VERSION).fetchone() or (0,)
        clients[name].set("procedures:list:version", version, px=LEASE_MS)

    return [
        Tree(
            name,
            servers[f"{name} here"],
            servers[f"{name} elsewhere"],
            token,
            memory_of(servers[f"{name} here"])[0]["rss"],
            partial(change, name),
        )
        for name in folders
    ]


def _rounds(measurement: Measurement, trees: list[Tree]) -> list[Round] | None:
    """Return some rounds after one that warms everything up; None if the tree before refuses a read."""
    try:
        return [_round(measurement, trees) for _ in range(1 + min(ROUNDS, measurement.plan.rounds))][1:]
    except TreeBeforeRefused:
        return None


def _round(measurement: Measurement, trees: list[Tree]) -> Round:
    measured: dict[str, float] = {}
    for tree in measurement.dice.sample(trees, len(trees)):
        measured |= tree.seconds()
    measurement.say("  " + ", ".join(f"{name} {seconds * 1000:.3g} ms" for name, seconds in sorted(measured.items())))
    return measured


def _comparison(rounds: list[Round], name: str, read: str, reference: str, goal: float) -> Comparison:
    subject = reference if reference.endswith("whole") else f"{reference} {read}"
    return compare(rounds, subject, f"ours {read}", path=name, conditions=read, goal=goal)
