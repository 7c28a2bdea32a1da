"""PostgreSQL and Valkey of the measurement's own, the data in them, and what they say was asked of them."""

import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from redis import Redis

from benchmarks.machine import server_versions
from procedures_project.embedded import EmbeddedServers, embedded_servers
from tests.processes import run_python, service_environment
from tests.scale import Size
from tests.valkey import Valkey

# A statement in PostgreSQL's log, by the simple protocol or the extended one.
STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)")
LOG_SETTLES_SECONDS = 0.15  # a reloaded setting reaches a backend before its next statement; the log is unbuffered
# What our own looking at Redis adds to its counts.
OWN_COMMANDS = frozenset({"info", "config|resetstat", "ping", "flushall"})


@dataclass(frozen=True)
class Workload:
    """A database with its procedures, and a token for each role."""

    database_url: str
    tokens: dict[str, str]
    environment: dict[str, str]


@dataclass(frozen=True)
class Walk:
    """What the stores were asked for."""

    statements: Counter[str]
    commands: Counter[str]

    def per_request(self, requests: int) -> dict[str, Any]:
        """Return it as numbers a request."""
        return {
            "sql": self.statements.total() / requests,
            "redis": self.commands.total() / requests,
            "commands": {name: count / requests for name, count in sorted(self.commands.items())},
        }


class Stores:
    """Both servers. To be used from the main thread."""

    def __init__(self, servers: EmbeddedServers, folder: Path) -> None:
        self.folder = folder
        self.postgres_log = servers.postgres.log_path
        self.postgres_pid = servers.postgres.pid
        self.redis_url = servers.redis_url
        self.database_url = servers.database_url
        self.valkey = Valkey.of(servers)
        self._workloads: dict[str, Workload] = {}

    @property
    def redis(self) -> Redis:
        """A client of Valkey."""
        client: Redis = self.valkey.client
        return client

    def workload(self, procedures: int, steps: int = 10) -> Workload:
        """Return a database of that size, made at the first call, beside an empty Redis."""
        size = ("--procedures", str(procedures), "--steps", str(steps))
        return self._made(f"procedures_{procedures}_{steps}", size)

    def generated(self, size: Size) -> Workload:
        """Return a database with runs, made at the first call, beside an empty Redis."""
        options = ("--procedures", "--steps", "--runs", "--events")
        numbers = map(str, (size.procedures, size.steps, size.runs, size.events))
        return self._made(f"runs_{size.runs}", [*chain.from_iterable(zip(options, numbers, strict=True))])

    def sql(self, statement: str | sql.Composed) -> list[tuple[Any, ...]]:
        """Run a statement, and return its rows."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type,unused-ignore]
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def counting(self) -> Iterator[Walk]:
        """Count what is asked for inside the block; the numbers are there after it. Logging slows PostgreSQL down."""
        with self.counting_statements() as statements:
            walk = Walk(statements, Counter())
            self.redis.config_resetstat()
            yield walk
            walk.commands.update(self._commands())

    @contextlib.contextmanager
    def counting_statements(self) -> Iterator[Counter[str]]:
        """Count PostgreSQL's statements inside the block; they are there after it."""
        statements: Counter[str] = Counter()
        self._log_statements("all")
        offset = self.postgres_log.stat().st_size
        yield statements
        time.sleep(LOG_SETTLES_SECONDS)
        statements.update(self._statements(offset))
        self._log_statements("none")

    def versions(self) -> dict[str, str]:
        """Return what the servers say they are."""
        return server_versions(self.database_url, self.redis)

    def _made(self, name: str, size: Sequence[str]) -> Workload:
        self.redis.flushall()
        if name not in self._workloads:
            self._workloads[name] = self._make(name, size)
        return self._workloads[name]

    def _make(self, name: str, size: Sequence[str]) -> Workload:
        self.sql(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        address = urlsplit(self.database_url)
        database_url = address._replace(path=f"/{name}").geturl()
        # As in production, behind a proxy that speaks TLS.
        environment = service_environment(
            self.folder,
            DATABASE_URL=database_url,
            REDIS_URL=self.redis_url,
            BEHIND_TLS_PROXY="1",
            METRICS_OPEN_TO_LOOPBACK="1",
        )
        tokens = json.loads(run_python("benchmarks.workload", *size, environment=environment))
        self.sql("CHECKPOINT")  # now, rather than in somebody's round
        return Workload(database_url, tokens, environment)

    def _log_statements(self, which: str) -> None:
        self.sql(sql.SQL("ALTER SYSTEM SET log_statement = {}").format(sql.Literal(which)))
        self.sql("SELECT pg_reload_conf()")
        time.sleep(LOG_SETTLES_SECONDS)

    def _statements(self, offset: int) -> list[str]:
        with open(self.postgres_log, "rb") as log:
            log.seek(offset)
            return STATEMENT.findall(log.read().decode(errors="replace"))

    def _commands(self) -> dict[str, int]:
        told: Any = self.redis.info("commandstats")
        calls = {name.removeprefix("cmdstat_"): numbers["calls"] for name, numbers in told.items()}
        return {name: count for name, count in calls.items() if name not in OWN_COMMANDS}


@contextlib.contextmanager
def running_stores(folder: Path) -> Iterator[Stores]:
    """Run both servers inside the block; a power cut may lose the data. To be called from the main thread."""
    with embedded_servers(folder / "data", durable=False) as servers:
        stores = Stores(servers, folder)
        try:
            yield stores
        finally:
            stores.valkey.stop()
