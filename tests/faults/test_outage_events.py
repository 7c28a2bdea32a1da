"""What an outage of PostgreSQL leaves in the log: one line a second, and that it began and ended, once each."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from procedures_project.embedded import EmbeddedServers, embedded_servers
from tests.faults.services import Service, restarted, serving
from tests.processes import eventually, frozen_with_children

PATHS = ("/runs", "/procedures/gibson/revisions", "/wall")  # two of programs, and a page
SESSION = {"Cookie": "sessionid=0123456789abcdef0123456789abcdef"}
OF_OUTAGES = {"database_unavailable", "database_lost", "database_recovered", "readiness_changed"}

Event = dict[str, Any]


class World:
    """The service with one worker, so that there is the log of one process, and a PostgreSQL that is its own."""

    def __init__(self, service: Service, servers: EmbeddedServers, ending: contextlib.ExitStack) -> None:
        self.service = service
        self.servers = servers
        self._ending = ending

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop PostgreSQL, and start it again after the block."""
        self.servers.postgres.stop()
        yield
        self._ending.callback(restarted(self.servers.postgres).stop)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let PostgreSQL stand still inside the block."""
        with frozen_with_children(self.servers.postgres.pid):
            yield

    def is_found(self, **members: str) -> None:
        """Return when /readyz says so."""
        eventually(lambda: members.items() <= self.service.readiness().items(), 30)

    def refused_requests(self, rounds: int) -> int:
        """Send requests that are all refused, and return how many."""

        def status_of(path: str) -> int:
            headers = SESSION if path == "/wall" else None
            return self.service.request("GET", path, headers=headers).status_code

        paths = list(PATHS) * rounds
        with ThreadPoolExecutor(len(PATHS)) as threads:
            assert set(threads.map(status_of, paths)) == {503}
        return len(paths)

    def events(self) -> list[Event]:
        """Return what has been logged so far, but for the line that each request has."""
        lines = self.service.granian.log_path.read_text(encoding="utf-8").splitlines()
        events = [json.loads(line) for line in lines]
        return [event for event in events if event["event"] != "request_finished"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A service that is ready, and has used PostgreSQL."""
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(embedded_servers(tmp_path / "servers", durable=False))
        url = servers.database_url
        service = stack.enter_context(serving(tmp_path, url, DATABASE_URL=url, REDIS_URL=servers.redis_url))
        assert service.get("/runs").status_code == 200
        yield World(service, servers, stack)


def named(name: str, events: list[Event]) -> list[Event]:
    """Return the events of a name."""
    return [event for event in events if event["event"] == name]


@pytest.mark.parametrize(("fault", "rounds"), [(World.stopped, 20), (World.frozen, 1)], ids=["stopped", "frozen"])
def test_an_outage_is_logged_once_and_each_refused_request_is_counted(
    world: World, fault: Callable[[World], contextlib.AbstractContextManager[None]], rounds: int
) -> None:
    before = len(world.events())

    with fault(world):
        world.is_found(postgresql="down")
        refused = world.refused_requests(rounds)
    world.is_found(status="ok")

    eventually(lambda: named("database_recovered", world.events()))
    # What was held back comes with a later look.
    eventually(lambda: sum(line["requests"] for line in named("database_unavailable", world.events())) == refused)
    events = world.events()[before:]
    assert {event["event"] for event in events} == OF_OUTAGES
    lines = [datetime.fromisoformat(line["ts"]) for line in named("database_unavailable", events)]
    assert len(lines) <= (max(lines) - min(lines)).total_seconds() + 2  # by what they say themselves: one a second
    assert Counter(event["event"] for event in events)["database_lost"] == 1
    (recovered,) = named("database_recovered", events)
    assert recovered["requests_refused"] == refused
    assert recovered["seconds"] > 0
    changes = [(event["before"], event["status"]) for event in named("readiness_changed", events)]
    assert changes == [("ok", "unavailable"), ("unavailable", "ok")]


def test_that_no_writes_are_taken_is_logged_once_and_what_it_cost(world: World) -> None:
    before = len(world.events())
    setting = "ALTER DATABASE procedures {} default_transaction_read_only"

    with psycopg.connect(
        world.servers.database_url, autocommit=True, options="-c default_transaction_read_only=off"
    ) as connection:
        connection.execute(f"{setting.format('SET')} = on")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        world.is_found(status="degraded", postgresql="read-only")
        refused = [world.service.post("/runs", {"procedure": "gibson"}).status_code for _ in range(3)]
        connection.execute(setting.format("RESET"))
    world.is_found(status="ok")

    assert refused == [503] * 3
    eventually(lambda: named("database_takes_writes", world.events()[before:]))
    events = world.events()[before:]
    assert len(named("database_read_only", events)) == 1
    (over,) = named("database_takes_writes", events)
    assert over["requests_refused"] == 3
    assert [event["status"] for event in named("readiness_changed", events)][-2:] == ["degraded", "ok"]
