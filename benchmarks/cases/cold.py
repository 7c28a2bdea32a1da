"""Sixteen readers at once of a key that nobody holds, over four workers: how many of them build, by the list's length.

The last one is longer than what Redis takes as a whole. Readers who wait for a thread of their worker for too long are
refused (503); how many is told beside the builds.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus

import httpx

from benchmarks.load import Answer, Connection, LoadError, request_bytes
from benchmarks.measurement import LIST, Findings, Measurement, compare
from benchmarks.servers import OURS, Server, Subject, serving
from benchmarks.stores import Workload
from procedures_project.embedded import HOST
from tests.samples import Samples

WORKERS = 4
READERS = 16
ROUNDS = 3
CACHE = "backend_procedure_cache"


@dataclass(frozen=True)
class Size:
    """A list, and who serves it.

    Attributes:
        name: As people say it.
    """

    name: str
    procedures: int
    steps: int
    subject: Subject = OURS


SIZES = (
    Size("0.3 MB", 100, 10),
    Size("4 MB", 1_000, 13),
    Size("22 MB", 5_000, 13),
    Size("22 MB, too long for Redis", 5_000, 13, replace(OURS, environment={"CACHE_MAX_PAYLOAD_BYTES": "4000000"})),
)


def measure(measurement: Measurement) -> Findings:
    """Make the key cold once a round: as a deployment does, with new workers and an empty Redis."""
    findings = Findings()
    for size in SIZES[:1] if measurement.plan.is_quick else SIZES:
        workload = measurement.stores.workload(size.procedures, size.steps)
        rounds = findings.rounds[size.name] = []
        for _ in range(1 if measurement.plan.is_quick else ROUNDS):
            rounds.append(_cold_round(measurement, workload, size.subject))
            measurement.say(f"  {size.name}: {rounds[-1]}")
        path = f"{READERS} readers of a cold list of {size.name}, {WORKERS} workers"
        findings.comparisons.append(
            compare(rounds, "builds", "wanted", path=path, conditions="builds", goal=1.0, is_limit=True)
        )
    return findings


def _cold_round(measurement: Measurement, workload: Workload, subject: Subject) -> dict[str, float]:
    measurement.stores.redis.flushall()
    token = workload.tokens["viewer"]
    with serving(
        [subject], measurement.folder, workload.environment, path="/runs", token=token, workers=WORKERS
    ) as servers:
        return _round(servers[subject.name], token)


def _round(server: Server, token: str) -> dict[str, float]:
    before = _samples(server)
    with ThreadPoolExecutor(READERS) as readers:
        answers = list(readers.map(_read, [server] * READERS, [token] * READERS))
    statuses = [answer.status for answer in answers]
    if not {HTTPStatus.OK} <= set(statuses) <= {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE}:
        raise LoadError(f"The readers were answered {statuses}.")
    after = _samples(server)
    return {
        "refused": statuses.count(HTTPStatus.SERVICE_UNAVAILABLE),
        "builds": _grown(before, after, f"{CACHE}_misses_total", resource="list"),
        "stores of the whole": _grown(before, after, f"{CACHE}_store_total", resource="list"),
        "wanted": 1.0,
    }


def _read(server: Server, token: str) -> Answer:
    with Connection(HOST, server.port) as connection:
        return connection.exchange(request_bytes("GET", LIST, token))


def _samples(server: Server) -> Samples:
    answer = httpx.get(f"http://{HOST}:{server.port}/metrics", trust_env=False)
    return Samples(answer.raise_for_status().text)


def _grown(before: Samples, after: Samples, name: str, **labels: str) -> float:
    return after.total(name, **labels) - before.total(name, **labels)
