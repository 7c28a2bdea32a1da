"""Pages and searches where there is much, beside the same ones where there is little: a page costs what is on it.

What is asked for is found equally often in both, so that the answers are equally long.
The rows are generated; what is rare is old, which is the worst case of a list from the newest on. Both databases are in
the same PostgreSQL, and each is served by a process of its own.
"""

import json
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus

import psycopg

from benchmarks.cases.commits import timed
from benchmarks.load import Connection, LoadError, request_bytes
from benchmarks.measurement import Findings, Measurement, compare
from benchmarks.ratios import Round
from benchmarks.servers import Subject, serving
from benchmarks.stores import Workload
from procedures_project.embedded import HOST
from tests.scale import FULL, Size

LITTLE = Size(procedures=100, steps=10, runs=1_000, events=20)
QUICK = Size(procedures=1_000, steps=10, runs=10_000, events=20)
REQUESTS = 5  # of each page in a round
ROUNDS = 5
MOST = 2.0  # times what the page costs where there is little: an index is deeper
PAGES = {
    "newest runs": "/runs",
    "a rare status": "/runs?status=paused",
    "several states": "/runs?status=paused,aborted",
    "a common procedure": "/runs?procedure=large-1",
    "a rare starter": "/runs?started_by={rare_starter}",
    "a starter and a status": "/runs?started_by={common_starter}&status=completed&limit=10",
    "between two instants": "/runs?started_after=2020-01-01T01:00:00Z&started_before=2020-01-01T12:00:00Z",
    "a reference": "/runs?external_ref=REF-7",
    "rare words": "/runs?q=rare",
    "the beginning of an id": "/runs?q={id_beginning}",
    "an old page": "/runs?cursor={old_run}",
    "procedures with a tag": "/procedures?tag=rare",
    "procedures with a text": "/procedures?q=tle%20of%20large-77.",
}
PEOPLE = "SELECT id FROM auth_user WHERE username LIKE 'person-%' ORDER BY id LIMIT 2"
OLD_RUN = "SELECT id FROM runs_run ORDER BY started_at OFFSET 500 LIMIT 1"


def measure(measurement: Measurement) -> Findings:
    """Measure each page and each search."""
    sizes = {"little": LITTLE, "much": QUICK if measurement.plan.is_quick else FULL}
    findings = Findings(facts={"sizes": {name: str(size) for name, size in sizes.items()}})
    with ExitStack() as stack:
        clients = {}
        for name, size in sizes.items():
            measurement.say(f"  {size}")
            clients[name] = _client(measurement, stack, name, measurement.stores.generated(size))
        for page in PAGES:
            _check_equal_lengths(clients, page)
            _round(measurement, clients, page)  # which warms it up
            rounds = [_round(measurement, clients, page) for _ in range(min(ROUNDS, measurement.plan.rounds))]
            findings.rounds[page] = rounds
            findings.comparisons.append(
                compare(rounds, "much", "little", path="pages", conditions=page, goal=MOST, is_limit=True)
            )
            measurement.say(f"  {page}: {rounds[-1]}")
    return findings


@dataclass(frozen=True)
class _Client:
    """Who reads pages of one database.

    Attributes:
        port: Where it is served.
        values: What the paths of the pages name.
    """

    port: int
    token: str
    values: Mapping[str, object]

    def seconds(self, page: str) -> float:
        """Return how long a page takes, the median of some."""
        request = self._request(page)
        with Connection(HOST, self.port) as connection:
            connection.exchange(request_bytes("GET", "/runs?limit=1", self.token))  # so that the bearer is known
            return statistics.median([timed(lambda: self._checked(connection, request)) for _ in range(REQUESTS)])

    def found(self, page: str) -> int:
        """Return how many runs or procedures are on a page."""
        with Connection(HOST, self.port) as connection:
            answer = json.loads(self._checked(connection, self._request(page)))
        return len(answer if isinstance(answer, list) else answer["runs"])

    def _request(self, page: str) -> bytes:
        return request_bytes("GET", PAGES[page].format(**self.values), self.token)

    @staticmethod
    def _checked(connection: Connection, request: bytes) -> bytes:
        answer = connection.exchange(request)
        if answer.status != HTTPStatus.OK:
            raise LoadError(f"{request.decode()} was answered {answer.status}: {answer.body.decode()}")
        return answer.body


def _client(measurement: Measurement, stack: ExitStack, name: str, workload: Workload) -> _Client:
    with psycopg.connect(workload.database_url) as database:
        (rare,), (common,) = database.execute(PEOPLE).fetchall()
        ((old_run,),) = database.execute(OLD_RUN).fetchall()
    token = workload.tokens["viewer"]
    servers = stack.enter_context(
        serving([Subject(name)], measurement.folder, workload.environment, path="/runs", token=token)
    )
    values = {"rare_starter": rare, "common_starter": common, "old_run": old_run, "id_beginning": str(old_run)[:18]}
    return _Client(servers[name].port, token, values)


def _check_equal_lengths(clients: Mapping[str, _Client], page: str) -> None:
    found = {name: client.found(page) for name, client in clients.items()}
    if len(set(found.values())) > 1 or 0 in found.values():
        raise LoadError(f"{page}: {found} were found, which cannot be compared")


def _round(measurement: Measurement, clients: Mapping[str, _Client], page: str) -> Round:
    return {name: clients[name].seconds(page) for name in measurement.dice.sample(list(clients), len(clients))}
