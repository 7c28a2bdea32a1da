"""What each walk through the service costs: statements in PostgreSQL, commands in Redis, counted by the servers.

The numbers are exact, so that one more is noticed. There is one worker, so that it is known what it has in memory, and
it already knows the token. BEGIN and COMMIT are not counted; commands that a script runs are.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psycopg
import pytest

from access.models import digest_of, new_secret
from tests.factories import step
from tests.processes import eventually
from tests.system.demo import Demo, running_demo

Cost = tuple[int, dict[str, int]]
"""The number of PostgreSQL statements, and of Redis commands by name."""

COPY_TOKEN = """
    INSERT INTO access_apitoken (name, user_id, digest, beginning, created_at)
    SELECT name, user_id, %s, beginning, created_at FROM access_apitoken WHERE digest = %s
"""

BUMP = {"time": 2, "eval": 1, "pttl": 1, "type": 1, "get": 1, "pexpireat": 1}
"""The commands of a bump, without the one that moves the number; the script asks for the time too."""


@pytest.fixture(scope="module")
def shared_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo with one worker, whose Valkey gets killed in the end."""
    with running_demo(tmp_path_factory.mktemp("walks") / "data", "--workers", "1") as demo:
        # Each thread gets its connections to PostgreSQL and Redis.
        keep_every_thread_busy(demo.read, "/runs?limit=200", "/procedures")
        yield demo


def keep_every_thread_busy(read: Callable[[str], object], *paths: str) -> None:
    """Read the paths with more clients at once than the worker has threads."""
    with ThreadPoolExecutor(max_workers=8) as clients:
        for path in paths * 10:
            list(clients.map(read, [path] * 8))


@pytest.fixture
def procedure_key(demo: Demo) -> Iterator[str]:
    with demo.procedure(steps=[step(key) for key in ("first", "second", "third")]) as key:
        yield key


def statements(demo: Demo) -> int:
    """Return how many statements the service has sent so far."""
    return int(demo.samples().total("django_db_execute_total"))


def commands(demo: Demo) -> dict[str, int]:
    """Return how many commands Redis has received so far, by name, without those of connections and of this query."""
    statistics: Any = demo.redis.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): stats["calls"] for name, stats in statistics.items()}
    return {name: number for name, number in calls.items() if not name.startswith(("info", "hello", "client|"))}


def cost_of(demo: Demo, walk: Callable[[], httpx.Response], status: int = 200) -> Cost:
    """Return what a request costs, once the process knows its token."""
    statements_before, commands_before = statements(demo), commands(demo)
    response = walk()
    assert response.status_code == status, response.text
    after = commands(demo)
    spent = {name: calls - commands_before.get(name, 0) for name, calls in after.items()}
    # Once a second the worker itself checks whether Redis takes writes, with a command that nothing else uses.
    return statements(demo) - statements_before, {
        name: calls for name, calls in spent.items() if calls and name != "setex"
    }


@pytest.fixture
def viewer(demo: Demo) -> Iterator[httpx.Client]:
    """A client with its own token, which the worker first sees in `warm` and then remembers for five seconds."""
    secret = new_secret()
    with psycopg.connect(demo.services["database_url"]) as connection:
        connection.execute(COPY_TOKEN, [digest_of(secret), digest_of(demo.tokens["viewer"])])
    with httpx.Client(base_url=demo.base_url, headers={"Authorization": f"Bearer {secret}"}, trust_env=False) as client:
        yield client


def warm(viewer: httpx.Client, *paths: str) -> None:
    """Read, so that the worker knows the token and has the bodies, and Redis has the counters."""
    for path in paths:
        viewer.get(path).raise_for_status()


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "identity"}])
def test_a_hit_from_memory(demo: Demo, viewer: httpx.Client, procedure_key: str, headers: dict[str, str]) -> None:
    run_path = f"/runs/{demo.start_run(procedure_key)}"
    for path in ("/procedures", f"/procedures/{procedure_key}", run_path):
        warm(viewer, path)

        assert cost_of(demo, lambda path=path: viewer.get(path, headers=headers)) == (0, {"get": 1})  # type: ignore[misc]


def test_a_304(demo: Demo, viewer: httpx.Client) -> None:
    etag = viewer.get("/procedures").headers["ETag"]

    def walk() -> httpx.Response:
        return viewer.get("/procedures", headers={"If-None-Match": etag})

    assert cost_of(demo, walk, status=304) == (0, {"get": 1})


@pytest.mark.usefixtures("procedure_key")  # it makes a version that has to be built, and so gets into Redis
def test_a_hit_from_redis(demo: Demo, viewer: httpx.Client) -> None:
    warm(viewer, "/procedures")
    version = demo.counters()["procedures:list:version"]
    unheard_of = version + 10_000_000  # so far ahead that no write of the tests gets there
    for key in demo.redis.scan_iter(f"procedures:list:v{version}*"):
        assert demo.redis.copy(key, key.replace(str(version).encode(), str(unheard_of).encode()))
    demo.redis.set("procedures:list:version", unheard_of, px=5_000)

    # The counter twice: the fast path finds no body, and leaves the request to the view set. Then the index, which says
    # that the process has every item, and in the same round trip whether the body is there.
    assert cost_of(demo, lambda: viewer.get("/procedures")) == (0, {"get": 2, "getrange": 2})
    demo.redis.delete("procedures:list:version")


def test_a_read_that_finds_no_counter(demo: Demo, viewer: httpx.Client) -> None:
    warm(viewer, "/procedures")
    demo.redis.delete("procedures:list:version")

    # Statements: whether the connection is good, the version. Commands: the counter twice, by the fast path and by
    # the view set; the clock, and the script that lends the counter.
    assert cost_of(demo, lambda: viewer.get("/procedures")) == (
        2,
        {"get": 2, "time": 2, "eval": 1, "pttl": 1, "set": 1},
    )


def test_a_miss(demo: Demo, viewer: httpx.Client, procedure_key: str) -> None:
    warm(viewer, "/procedures")
    demo.put_procedure(procedure_key, title="Changed")

    # Statements: the connection, the keys with their versions, the one body that has changed.
    # Commands: the counter twice; the index and the body; the claim, and both once more; both; the end of the claim.
    assert cost_of(demo, lambda: viewer.get("/procedures")) == (3, {"get": 2, "getrange": 4, "set": 3, "del": 1})


def test_a_commit(demo: Demo, viewer: httpx.Client, procedure_key: str) -> None:
    run_id = demo.start_run(procedure_key)
    warm(viewer, f"/runs/{run_id}")

    cost = cost_of(demo, lambda: demo.commit(run_id, "first"), status=201)

    # The connection; the token, and two kinds of permissions; the time; the step, before the lock; the run, its steps,
    # what counts of its ledger; the event,
    # the run; the version is bumped now, and read; it is read once more after COMMIT.
    assert cost == (14, BUMP | {"incr": 1})


def test_a_commit_after_a_long_history(demo: Demo, viewer: httpx.Client, procedure_key: str) -> None:
    run_id = demo.start_run(procedure_key)
    demo.commit(run_id, "first").raise_for_status()
    for seq in range(2, 32):
        correction = {"amends": seq, "reason": "typo"}
        demo.client("operator").post(f"/runs/{run_id}/steps/first/amend", json=correction).raise_for_status()
    warm(viewer, f"/runs/{run_id}")

    assert cost_of(demo, lambda: demo.commit(run_id, "second"), status=201) == (14, BUMP | {"incr": 1})


def test_a_hit_without_redis(demo: Demo, viewer: httpx.Client) -> None:
    warm(viewer, "/procedures")
    demo.kill_valkey()
    # The first fast read of each thread asks whether its connection is good.
    keep_every_thread_busy(lambda path: warm(viewer, path), "/procedures")
    before = statements(demo)

    for _ in range(3):
        warm(viewer, "/procedures")

    # Each asks for the version, past Django and over a connection of the event loop.
    assert statements(demo) == before
    demo.start_valkey()
    eventually(lambda: 'desc="memory"' in demo.get("/procedures").headers["Server-Timing"])
