"""Sixteen readers at once of a key that nobody holds, over four workers: how many of them build."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks.cases.hit import PROCEDURES
from benchmarks.load import Answer, Connection, LoadError, request_bytes
from benchmarks.measurement import LIST, Findings, Measurement, compare
from benchmarks.servers import OURS, Server, serving
from procedures_project.embedded import HOST
from tests.samples import Samples

WORKERS = 4
READERS = 16
CACHE = "backend_procedure_cache"


def measure(measurement: Measurement) -> Findings:
    """Make the key cold once a round: as a deployment does, with new workers and an empty Redis."""
    workload = measurement.stores.workload(PROCEDURES)
    token = workload.tokens["viewer"]
    rounds = []
    for _ in range(1 if measurement.plan.is_quick else 3):
        measurement.stores.redis.flushall()
        with serving(
            [OURS], measurement.folder, workload.environment, path="/runs", token=token, workers=WORKERS
        ) as servers:
            rounds.append(_round(servers["ours"], token))
        measurement.say(f"  {rounds[-1]}")
    path = f"{READERS} readers of a cold key, {WORKERS} workers"
    lines = [
        compare(rounds, name, "wanted", path=path, conditions=name, goal=1.0, is_limit=True)
        for name in ("builds", "stores")
    ]
    return Findings({"counts": rounds}, lines)


def _round(server: Server, token: str) -> dict[str, float]:
    before = _samples(server)
    with ThreadPoolExecutor(READERS) as readers:
        answers = list(readers.map(_read, [server] * READERS, [token] * READERS))
    if {answer.status for answer in answers} != {200}:
        raise LoadError("Some reader was refused.")
    after = _samples(server)
    return {
        "builds": _grown(before, after, f"{CACHE}_fetch_seconds_count", resource="list", source="database"),
        "stores": _grown(before, after, f"{CACHE}_store_total", resource="list"),
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
