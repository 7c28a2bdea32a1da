"""What one normal reader notices of crowds and attackers, and what they cost the workers (two of them)."""

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TextIO, cast

from benchmarks.cases.hit import PROCEDURES
from benchmarks.load import Answer, Connection, LoadError, request_bytes
from benchmarks.measurement import LIST, Findings, Measurement, compare, memory_of
from benchmarks.ratios import Round
from benchmarks.servers import OURS, Server, serving
from procedures_project.embedded import HOST
from tests import PROJECT_DIR
from tests.processes import frozen_with_children

GOAL = 3.0  # times the reader's p99 alone
WORKERS = 2
ROUNDS = 3  # each takes as long as the slowest attacker is borne with
READING_SECONDS = 6.0  # shorter than the deadline of a slow head, so that all attackers are there
PAUSE_SECONDS = 0.005  # of a reader between two requests
MEBIBYTE = 1024 * 1024
PROBES = 300


@dataclass(frozen=True)
class Size:
    """How many take part."""

    pollers: int
    polling_seconds: float
    slow: int
    logins: int


FULL = Size(pollers=2_000, polling_seconds=30.0, slow=256, logins=200)
QUICK = Size(pollers=50, polling_seconds=6.0, slow=4, logins=8)


def measure(measurement: Measurement) -> Findings:
    """Let each crowd come once a round, after the reader was measured alone."""
    size = QUICK if measurement.plan.is_quick else FULL
    workload = measurement.stores.workload(PROCEDURES)
    token, operator = workload.tokens["viewer"], workload.tokens["operator"]
    findings = Findings()
    rounds: list[Round] = []
    findings.rounds["p99 seconds"] = rounds
    with serving([OURS], measurement.folder, workload.environment, path=LIST, token=token, workers=WORKERS) as servers:
        server = servers["ours"]
        findings.facts["pollers"] = _polled(server, token, size)
        for _ in range(1 if measurement.plan.is_quick else ROUNDS):
            measured: dict[str, float] = {}
            for kind, count, its_token in (("slow", size.slow, operator), ("logins", size.logins, token)):
                measured[f"before {kind}"] = _p99_of_reading(server, token)
                with _growth(server, findings.facts, kind), _crowd(server, kind, its_token, count) as ended:
                    measured[f"among {kind}"] = _p99_of_reading(server, token)
                findings.facts[kind] = ended
            measurement.say(
                "  p99: " + ", ".join(f"{name} {seconds * 1000:.3g} ms" for name, seconds in measured.items())
            )
            rounds.append(measured)
        findings.facts["postgresql frozen"] = _while_postgresql_is_frozen(measurement, server, token)
    measurement.say(f"  {json.dumps(findings.facts)}")
    findings.comparisons = [
        compare(rounds, f"among {kind}", f"before {kind}", path="a reader's p99 among others", conditions=conditions,
                goal=GOAL, is_limit=True)
        for kind, conditions in (
            ("slow", f"{size.slow} slow heads, bodies and takers each"), ("logins", f"{size.logins} logins at once"),
        )
    ]  # fmt: skip
    return findings


def _polled(server: Server, token: str, size: Size) -> dict[str, Any]:
    with _crowd(server, "pollers", token, size.pollers, size.polling_seconds) as ended:
        pass
    return ended


@contextlib.contextmanager
def _crowd(server: Server, kind: str, token: str, count: int, seconds: float = 0.0) -> Iterator[dict[str, Any]]:
    """Let a crowd come, go on when it is in place, and wait for its end; what it found is there after the block."""
    found: dict[str, Any] = {}
    argv = [sys.executable, "-m", "benchmarks.crowd", kind, "--port", str(server.port), "--token", token]
    argv += ["--count", str(count), "--seconds", str(seconds)]
    with subprocess.Popen(argv, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True) as crowd:
        output = cast("TextIO", crowd.stdout)
        if output.readline() != "in place\n":
            raise LoadError(f"The crowd of {kind} did not come.")
        yield found
        found |= json.loads(output.read())


@contextlib.contextmanager
def _growth(server: Server, facts: dict[str, Any], kind: str) -> Iterator[None]:
    """Note by how many MiB a worker was larger after the block than before it, at most."""
    before = [memory["rss"] for memory in memory_of(server)]
    yield
    after = [memory["rss"] for memory in memory_of(server)]
    grown = max(later - earlier for later, earlier in zip(after, before, strict=True)) / MEBIBYTE
    facts.setdefault("growth_mib", {}).setdefault(kind, []).append(round(grown, 1))


def _p99_of_reading(server: Server, token: str) -> float:
    request = request_bytes("GET", LIST, token, {"Accept-Encoding": "gzip"})
    deadline = time.perf_counter() + READING_SECONDS
    taken = []
    with Connection(HOST, server.port) as connection:
        while time.perf_counter() < deadline:
            started = time.perf_counter()
            _check(connection.exchange(request), 200)
            taken.append(time.perf_counter() - started)
            time.sleep(PAUSE_SECONDS)
    return statistics.quantiles(taken, n=100)[98]


def _while_postgresql_is_frozen(measurement: Measurement, server: Server, token: str) -> dict[str, float]:
    """Return the longest that /healthz took, and how long a write took until it was refused; in seconds."""
    probe, write = request_bytes("GET", "/healthz", token), request_bytes("POST", "/runs", token, body={})
    with frozen_with_children(measurement.stores.postgres_pid), Connection(HOST, server.port) as connection:
        refused = _seconds_of(connection, write, 503)
        probed = max(_seconds_of(connection, probe, 200) for _ in range(PROBES))
    return {"write_refused": refused, "slowest_healthz": probed}


def _seconds_of(connection: Connection, request: bytes, status: int) -> float:
    started = time.perf_counter()
    _check(connection.exchange(request), status)
    return time.perf_counter() - started


def _check(answer: Answer, status: int) -> None:
    if answer.status != status:
        raise LoadError(f"Answered {answer.status}, not {status}.")
