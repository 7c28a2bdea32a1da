"""Readiness as the gate keeps it: looked at again and again, whatever a look runs into."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from django.db import connection, connections
from redis import Redis
from structlog.testing import capture_logs

from procedures_project import readiness as readiness_module
from procedures_project.readiness import (
    BLIND,
    DRAINING_SECONDS,
    LONG_AGO_SECONDS,
    STARTING,
    Looker,
    Readiness,
    compared_clock,
)
from tests.faults.proxy import Mode, Proxy
from tests.processes import free_port

pytestmark = pytest.mark.django_db(transaction=True)

Result = TypeVar("Result")
CONNECTING = {"dbname", "host", "port", "user", "password"}
OK = {"status": "ok", "postgresql": "ok", "redis": "ok"}


def with_readiness(
    play: Callable[[Readiness], Coroutine[Any, Any, Result]], drain_file: Path | None = None, **options: Any
) -> Result:
    """Return what comes of `play` in an event loop."""

    async def run() -> Result:
        readiness = Readiness(drain_file, **options)
        try:
            return await play(readiness)
        finally:
            readiness.close()

    return asyncio.run(run())


async def looked(readiness: Readiness) -> dict[str, str]:
    """Return what a look finds."""
    await readiness.look()
    return readiness.found


def test_before_the_first_look_it_starts(redis: Redis) -> None:
    async def play(readiness: Readiness) -> list[dict[str, str]]:
        return [readiness.found, await looked(readiness)]

    assert with_readiness(play) == [STARTING, OK]


def test_while_the_file_is_there_it_drains_and_still_tells_what_it_found(redis: Redis, tmp_path: Path) -> None:
    drain_file = tmp_path / "draining"

    async def play(readiness: Readiness) -> list[dict[str, str]]:
        before = await looked(readiness)
        drain_file.touch()
        return [before, readiness.found]

    assert with_readiness(play, drain_file) == [OK, OK | {"status": "draining"}]


def test_answers_do_not_look_at_the_file_each_time(
    redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    readiness = Readiness(tmp_path / "draining", clock=lambda: now[0])
    looks: list[Path] = []
    exists = Path.exists

    def note_and_look(path: Path) -> bool:
        looks.append(path)
        return exists(path)

    monkeypatch.setattr(Path, "exists", note_and_look)

    assert not any(readiness.is_draining for _ in range(100))
    (tmp_path / "draining").touch()
    now[0] += DRAINING_SECONDS

    assert all(readiness.is_draining for _ in range(100))
    assert len(looks) == 2
    readiness.close()


def test_once_it_has_said_that_it_drains_each_answer_knows(redis: Redis, tmp_path: Path) -> None:
    readiness = Readiness(tmp_path / "draining", clock=lambda: 100.0)
    assert not readiness.is_draining

    (tmp_path / "draining").touch()

    assert readiness.found["status"] == "draining"
    assert readiness.is_draining
    readiness.close()


def test_a_look_that_fails_is_not_the_last_one(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness_module, "LOOK_EVERY_SECONDS", 0.0)
    looks = chain([None], repeat(OK))
    seen: list[dict[str, str]] = []

    def look(_looker: Looker) -> dict[str, str]:
        found = next(looks)
        if found is None:
            raise ZeroDivisionError
        return found

    async def play(readiness: Readiness) -> None:
        looking = asyncio.ensure_future(readiness.keep_looking())
        for expected in (BLIND, OK):
            while readiness.found != expected:
                assert not looking.done()
                await asyncio.sleep(0)
            seen.append(readiness.found)
        looking.cancel()

    monkeypatch.setattr(Looker, "look", look)
    with capture_logs() as events:
        with_readiness(play)

    assert seen == [BLIND, OK]
    told = [(event["event"], event.get("before"), event.get("status")) for event in events]
    assert [one for one in told if one[0].startswith("readiness_")] == [  # an earlier test may have broken PostgreSQL
        ("readiness_unknown", None, None),
        ("readiness_changed", "starting", "unavailable"),
        ("readiness_changed", "unavailable", "ok"),
    ]


def test_what_was_found_long_ago_counts_no_more(redis: Redis) -> None:
    now = [1000.0]

    async def play(readiness: Readiness) -> list[dict[str, str]]:
        seen = [await looked(readiness)]
        for seconds in (LONG_AGO_SECONDS - 1, LONG_AGO_SECONDS + 1):
            now[0] = 1000.0 + seconds
            seen.append(readiness.found)
        return seen

    assert with_readiness(play, clock=lambda: now[0]) == [OK, OK, BLIND]


@pytest.mark.parametrize(
    ("asked_at", "answered_at", "says"),
    [
        (999.0, 999.0, ""),
        (998.9, 998.9, "1.1 s behind PostgreSQL's"),
        (1900.0, 1900.2, "900.1 s ahead of PostgreSQL's"),
        (1000.9, 1002.1, ""),  # on the way for so long that it may be right
    ],
)
def test_a_clock_is_off_if_that_is_certain(asked_at: float, answered_at: float, says: str) -> None:
    assert compared_clock(1000.0, asked_at, answered_at) == says


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy, over which PostgreSQL is looked at."""
    with Proxy(free_port(), int(connection.get_connection_params()["port"])) as proxy:
        for name, value in {"HOST": "127.0.0.1", "PORT": str(proxy.port)}.items():
            monkeypatch.setitem(connections.settings["default"], name, value)
        yield proxy


def test_a_frozen_postgresql_is_down_until_it_is_back(redis: Redis, proxy: Proxy) -> None:
    async def play(readiness: Readiness) -> list[str]:
        seen = [await looked(readiness)]
        with proxy.behaving(Mode.HANG):
            seen += [await looked(readiness) for _ in range(2)]  # over the connection that there is, and over a new one
        return [found["postgresql"] for found in [*seen, await looked(readiness)]]

    assert with_readiness(play) == ["ok", "down", "down", "ok"]


@pytest.fixture
def locked_runs() -> Iterator[None]:
    """Another session holds the table of runs for itself."""
    parameters = {name: value for name, value in connection.get_connection_params().items() if name in CONNECTING}
    with psycopg.connect(**parameters) as other:
        other.execute("LOCK TABLE runs_run IN ACCESS EXCLUSIVE MODE")
        yield
        other.rollback()


def sessions_that_wait_for_the_table() -> int:
    """Return how many sessions of the server do."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'runs_run'::regclass")
        (number,) = cursor.fetchone()
        return int(number)


@pytest.mark.usefixtures("locked_runs")
def test_a_count_that_waits_for_a_lock_is_given_up_by_the_server_too(redis: Redis) -> None:
    looker = Looker()
    try:
        looker.look()
        looker.count_unfinished_runs()

        assert sessions_that_wait_for_the_table() == 0
        assert looker.look()["postgresql"] == "ok"
    finally:
        looker.close()


def test_a_session_that_the_count_lost_is_no_reason_to_call_postgresql_down(redis: Redis, proxy: Proxy) -> None:
    looker = Looker()
    try:
        looker.look()
        with proxy.behaving(Mode.HANG):
            looker.count_unfinished_runs()

        assert looker.look()["postgresql"] == "ok"
    finally:
        looker.close()
