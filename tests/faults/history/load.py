"""What makes the history: clients that write and read at once, over both nodes, and note what they see."""

import itertools
import random
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from procedures_project.embedded import HOST
from tests.factories import body, step
from tests.faults.history.cluster import Cluster, Node
from tests.faults.history.history import NO_ANSWER, History, Read, Write
from tests.faults.threads import Threads

LIST = "/procedures"
NOTHING_CHANGED = "/problems/unavailable"
TAG_BEGINNING = "n-"
READERS = 4
STEPS_A_RUN = 40
WRITE_PAUSE_SECONDS = 0.08  # of each of the four writers
CONDITIONAL_SHARE = 0.6  # of the reads of what the client has read before
REQUEST_SECONDS = 30.0

# Making one takes longer than a request.
_TLS = ssl.create_default_context()


@dataclass
class Procedure:
    """A procedure whose first tag carries the number of the last write to it.

    Attributes:
        lock: Held during a write, so that the numbers have the order of the commits.
        number: Of the last write that was tried.
        acknowledged: Of the last write that was acknowledged.
    """

    key: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    number: int = 0
    acknowledged: int = 0

    @property
    def path(self) -> str:
        """Where it is read."""
        return f"{LIST}/{self.key}"


@dataclass(frozen=True, slots=True)
class Held:
    """A body that a client holds."""

    etag: str
    shown: dict[str, int]


class Client:
    """One client of the service. It remembers what it was shown, and notes all it does in the history.

    Args:
        address: From which it connects.
    """

    def __init__(self, name: str, cluster: Cluster, history: History, token: str, address: str = HOST) -> None:
        self.name = name
        self.history = history
        self.chance = random.Random(name)  # noqa: S311  # no secret
        self._held: dict[str, Held] = {}
        self._ways = {
            node.name: [_connections(node, token, is_kept=is_kept, address=address) for is_kept in (True, False)]
            for node in cluster.nodes
        }

    def close(self) -> None:
        """Close all connections."""
        for ways in self._ways.values():
            for way in ways:
                way.close()

    def read(self, path: str, node: Node | None = None) -> None:
        """Read, at any node unless told, over a kept or a fresh connection, with or without If-None-Match."""
        held = self._held.get(path) if self.chance.random() < CONDITIONAL_SHARE else None
        began = time.monotonic()
        response = self._request("GET", path, node, headers={"If-None-Match": held.etag} if held else {})
        ended = time.monotonic()
        status, etag, shown, is_announced = NO_ANSWER, "", {}, False
        if response is not None:
            status, etag = response.status_code, response.headers.get("ETag", "")
            is_announced = "Retry-After" in response.headers
            if status == HTTPStatus.OK:
                shown = numbers_in(response.json())
                self._held[path] = Held(etag, shown)
            elif status == HTTPStatus.NOT_MODIFIED and held and held.etag == etag:
                shown = held.shown
        self.history.reads.append(Read(self.name, path, began, ended, status, shown, etag, is_announced))

    def put(self, procedure: Procedure, node: Node | None = None) -> None:
        """Publish the next revision of a procedure, and hold what was answered."""
        with procedure.lock:
            procedure.number += 1
            number = procedure.number
            content = body(procedure.key, title=f"Number {number}", tags=[tag_of(number)])
            request: dict[str, Any] = {"node": node, "json": content, "headers": {"If-Match": "*"}}
            response = self.write(procedure.key, number, "PUT", procedure.path, **request)
            if response is not None and response.status_code == HTTPStatus.OK:
                procedure.acknowledged = number
                self._held[procedure.path] = Held(response.headers["ETag"], {procedure.key: number})

    def write(self, thing: str, number: int | None, method: str, path: str, **request: Any) -> httpx.Response | None:
        """Write, and note it; without a number, the one that the answer tells is noted, and the thing it names."""
        began = time.monotonic()
        response = self._request(method, path, **request)
        ended = time.monotonic()
        status, is_announced, is_denied = NO_ANSWER, False, False
        if response is not None:
            status, is_announced = response.status_code, "Retry-After" in response.headers
            is_denied = is_announced and response.json()["type"] == NOTHING_CHANGED
            if number is None and response.is_success:
                answer = response.json()
                ((thing, number),) = numbers_in(answer.get("run", answer)).items()
        self.history.writes.append(Write(self.name, thing, number, began, ended, status, is_announced, is_denied))
        return response

    def _request(self, method: str, path: str, node: Node | None = None, **request: Any) -> httpx.Response | None:
        ways = self._ways[node.name] if node else self.chance.choice(list(self._ways.values()))
        try:
            return self.chance.choice(ways).request(method, path, **request)
        except httpx.TransportError:
            return None


class Runs:
    """The runs that are written to, one after another: each takes as many commits as it has steps."""

    def __init__(self, procedure_key: str) -> None:
        self.procedure_key = procedure_key
        self.paths: list[str] = []
        self._lock = threading.Lock()
        self._steps: Iterator[str] = iter(())

    def next_commit(self, client: Client) -> str | None:
        """Return the path of the next commit, of a new run if need be; None where none can be started now."""
        with self._lock:
            if path := next(self._steps, None):
                return path
            response = client.write("", None, "POST", "/runs", json={"procedure": self.procedure_key})
            if response is None or not response.is_success:
                return None
            run_path = f"/runs/{response.json()['id']}"
            # Late readers of the run before are a part of the history too.
            self.paths = [*self.paths[-1:], run_path]
            self._steps = iter([f"{run_path}/steps/step-{number}/commit" for number in range(STEPS_A_RUN)])
            return next(self._steps)


@dataclass
class Things:
    """All that is written and read.

    Attributes:
        published: Procedures that writers publish all the time.
        set_aside: A procedure that only a fault writes to.
        bulk: Procedures that only SQL writes to.
    """

    published: list[Procedure]
    set_aside: Procedure
    bulk: list[Procedure]
    runs: Runs

    @property
    def procedures(self) -> list[Procedure]:
        """All procedures that are read."""
        return [*self.published, self.set_aside, *self.bulk]


def create_things(cluster: Cluster) -> Things:
    """Create the procedures, in a cluster that is well."""
    numbered = [Procedure(key) for key in ("published-a", "published-b", "set-aside", "bulk-a", "bulk-b", "bulk-c")]
    steps = [step(f"step-{number}") for number in range(STEPS_A_RUN)]
    with _connections(cluster.nodes[0], cluster.tokens["author"], is_kept=True) as author:
        for procedure in numbered:
            author.post(LIST, json=body(procedure.key, tags=[tag_of(0)])).raise_for_status()
        author.post(LIST, json=body("many-steps", steps=steps, ordering="any")).raise_for_status()
    return Things(numbered[:2], numbered[2], numbered[3:], Runs("many-steps"))


class Load:
    """Clients at work, from the start of the block to its end."""

    def __init__(self, cluster: Cluster, things: Things) -> None:
        self.things = things
        self.history = History()
        self._cluster = cluster
        self._stack = ExitStack()
        self._threads = Threads()

    def __enter__(self) -> "Load":
        now = time.monotonic()
        self.history.earlier = [
            Write("earlier", procedure.key, procedure.acknowledged, now, now, HTTPStatus.OK)
            for procedure in self.things.procedures
        ]
        for number in range(READERS):
            self._threads.start(self._read, self.client(f"reader-{number}"))
        for procedure in self.things.published:
            self._threads.start(self._publish, self.client(f"author-of-{procedure.key}"), procedure)
        for number in range(2):
            self._threads.start(self._commit, self.client(f"operator-{number}"))
        return self

    def __exit__(self, *_error: object) -> None:
        self._threads.end()
        self._stack.close()
        self._threads.raise_failures()

    def client(self, name: str, address: str = HOST) -> Client:
        """Return one more client, who may do everything."""
        client = Client(name, self._cluster, self.history, self._cluster.tokens["admin"], address)
        self._stack.callback(client.close)
        return client

    def go_on(self, seconds: float) -> None:
        """Let the clients work for a time."""
        self._threads.go_on(seconds)

    def _read(self, client: Client) -> None:
        view = client.chance.choice(["list", "procedure", "run"])
        runs = self.things.runs.paths
        if view == "run" and runs:
            client.read(client.chance.choice(runs))
        elif view == "procedure":
            client.read(client.chance.choice(self.things.procedures).path)
        else:
            client.read(LIST)

    def _publish(self, client: Client, procedure: Procedure) -> None:
        client.put(procedure)
        self._read_own_writes(client, LIST, procedure.path)

    def _commit(self, client: Client) -> None:
        path = self.things.runs.next_commit(client)
        if path is not None:
            run_path, _, _ = path.partition("/steps/")
            client.write(run_path.rpartition("/")[2], None, "POST", path, json={})
            self._read_own_writes(client, run_path)

    def _read_own_writes(self, client: Client, *paths: str) -> None:
        for path in itertools.chain(paths, paths):
            client.read(path)
        self._threads.ending.wait(WRITE_PAUSE_SECONDS)


def tag_of(number: int) -> str:
    """Return the tag that carries a procedure's number."""
    return f"{TAG_BEGINNING}{number}"


def numbers_in(content: Any) -> dict[str, int]:
    """Return the number of each thing in a body: of procedures the one in their first tag, of runs their last seq."""
    if isinstance(content, list):
        return {thing: number for item in content for thing, number in numbers_in(item).items()}
    if "last_seq" in content:
        return {content["id"]: content["last_seq"]}
    if content["tags"]:
        return {content["key"]: int(content["tags"][0].removeprefix(TAG_BEGINNING))}
    return {}


def _connections(node: Node, token: str, *, is_kept: bool, address: str = HOST) -> httpx.Client:
    """Return a client of one node; without kept connections, any worker may answer any request."""
    return httpx.Client(
        base_url=node.base_url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=REQUEST_SECONDS,
        transport=httpx.HTTPTransport(
            verify=_TLS,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=20 if is_kept else 0),
            local_address=address,
        ),
    )
