"""A standby is promoted that lacks the last writes: these are read for a lease at most, and nothing is mixed up."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from procedures_project.embedded import HOST, EmbeddedServers, Server, embedded_servers
from tests.factories import body
from tests.faults.services import Service, serving, standby_of
from tests.processes import eventually, port_of, run_python

KEY = "gibson"
LEASE_MS = 1_000


class Pair:
    """A primary, its standby, and the service that finds the one of them that takes writes."""

    def __init__(self, servers: EmbeddedServers, standby: Server, standby_url: str, service: Service) -> None:
        self.servers = servers
        self.standby = standby
        self.standby_url = standby_url
        self.service = service

    def on_standby(self, statement: str) -> list[Any]:
        """Run a statement on the standby."""
        with psycopg.connect(self.standby_url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def wait_for_replay(self) -> None:
        """Return when the standby has everything."""
        with psycopg.connect(self.servers.database_url, autocommit=True) as connection:
            # A record of its own, since here the last commits may not have been written yet.
            (position,) = connection.execute("SELECT pg_log_standby_snapshot()::text").fetchone() or ("",)
        caught_up = f"SELECT pg_last_wal_replay_lsn() >= '{position}'"
        eventually(lambda: self.on_standby(caught_up) == [(True,)])

    def cut(self) -> None:
        """Let nothing more arrive at the standby."""
        self.on_standby("ALTER SYSTEM SET primary_conninfo = ''")
        self.on_standby("SELECT pg_reload_conf()")
        eventually(lambda: self.on_standby("SELECT FROM pg_stat_wal_receiver") == [])

    def fail_over(self) -> None:
        """End the primary, and promote the standby."""
        self.servers.postgres.stop()
        self.on_standby("SELECT pg_promote()")
        eventually(lambda: self.service.readiness().get("status") == "ok", 30)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A pair, in step, and a service with a procedure."""
    with ExitStack() as stack:
        servers = stack.enter_context(embedded_servers(tmp_path / "servers", durable=False))
        standby, standby_url = stack.enter_context(standby_of(servers, tmp_path))
        either = psycopg.conninfo.make_conninfo(
            servers.database_url,
            host=f"{HOST},{HOST}",
            port=f"{port_of(servers.database_url)},{psycopg.conninfo.conninfo_to_dict(standby_url)['port']}",
            target_session_attrs="read-write",
        )
        service = stack.enter_context(
            serving(
                tmp_path, servers.database_url,
                DATABASE_URL=either, REDIS_URL=servers.redis_url, CACHE_LEASE_MS=str(LEASE_MS),
            )
        )  # fmt: skip
        yield Pair(servers, standby, standby_url, service)


def title(service: Service) -> Any:
    """Return the procedure's title as it is read, alone and in the list."""
    alone, in_list = service.get(f"/procedures/{KEY}").json()["title"], service.get("/procedures").json()[0]["title"]
    return alone if alone == in_list else (alone, in_list)


def publish(service: Service, new_title: str) -> str:
    """Publish a revision, and return the ETag."""
    content = body(KEY, title=new_title)
    answer = service.request("PUT", f"/procedures/{KEY}", json=content)
    assert answer.status_code in {200, 201}, answer.text
    return answer.headers["ETag"]


def test_what_a_promoted_standby_lacks_is_forgotten_and_no_number_stands_for_two_bodies(pair: Pair) -> None:
    service = pair.service
    assert service.post("/procedures", body(KEY, title="Replicated")).status_code == 201
    assert title(service) == "Replicated"
    pair.wait_for_replay()
    pair.cut()
    lost = [publish(service, f"Lost {number}") for number in range(3)]
    assert title(service) == "Lost 2"  # stored in Redis and in memory under the last number

    pair.fail_over()

    eventually(lambda: title(service) == "Replicated")
    kept = []
    for number in range(4):  # past all numbers that were used for what is lost
        kept.append(publish(service, f"Kept {number}"))
        assert title(service) == f"Kept {number}"
    assert not {*lost} & {*kept}


def test_a_standby_is_refused_and_a_command_says_so(pair: Pair) -> None:
    environment = pair.service.environment | {"DATABASE_URL": pair.standby_url}

    with pytest.raises(RuntimeError, match="PostgreSQL: The server is a standby, and may be behind its primary"):
        run_python("manage", "export_procedures", environment=environment)
