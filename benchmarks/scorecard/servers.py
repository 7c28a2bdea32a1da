"""The servers that the contestants share, one after the other, and what is in them."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from benchmarks.scorecard.contestants import OURS, Contestant
from procedures_project.embedded import HOST, EmbeddedServers, embedded_servers
from tests.faults.proxy import PROJECT_DIR, Proxy


@dataclass(frozen=True)
class Servers:
    """PostgreSQL, Valkey, and the writer's way to it."""

    embedded: EmbeddedServers
    valkey_port: int
    proxy: Proxy  # the writer's way to Redis
    folder: Path

    @property
    def redis_url_of_writer(self) -> str:
        """The writer's own address of Redis."""
        return f"redis://{HOST}:{self.proxy.port}/0"

    def versions(self) -> dict[str, str]:
        """Return what the servers say they are."""
        with psycopg.connect(self.embedded.database_url) as connection, Redis(HOST, self.valkey_port) as redis:
            postgresql: Any = connection.execute("SHOW server_version").fetchone()
            about_valkey: Any = redis.info("server")
        return {"postgresql": postgresql[0], "valkey": about_valkey["valkey_version"]}


@contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    """Run PostgreSQL, Valkey and the writer's proxy inside the block. To be called from the main thread."""
    with embedded_servers(folder / "data", durable=False) as servers:
        valkey_port = int(servers.redis_url.rsplit(":", 1)[1].split("/")[0])
        with Proxy(_free_port(), valkey_port) as proxy:
            yield Servers(servers, valkey_port, proxy, folder)


def environment_of(contestant: Contestant, servers: Servers, redis_url: str, lease_ms: int) -> dict[str, str]:
    """Return what a process of the contestant finds in its environment."""
    static_root = servers.folder / "static"
    static_root.mkdir(exist_ok=True)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    service = {
        "DATABASE_URL": servers.embedded.database_url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "scorecard-only-" + "0" * 32,
        "ALLOWED_HOSTS": HOST,
        "INSECURE_HTTP": "1",
        "LOG_FORMAT": "json",
        "CACHE_LOG_HITS": "0",
        "CACHE_LEASE_MS": str(lease_ms),
        "STATIC_ROOT": str(static_root),
    }
    return inherited | service | contestant.environment


def prepare(servers: Servers) -> str:
    """Make the schema and what is watched, for all contestants, and return a token."""
    environment = environment_of(OURS, servers, servers.embedded.redis_url, lease_ms=1000)
    argv = [sys.executable, "-m", "benchmarks.scorecard.prepare"]
    process = subprocess.run(argv, cwd=PROJECT_DIR, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        raise RuntimeError(process.stderr)
    return process.stdout


def _free_port() -> int:
    """Return a port that nobody listens on; the kernel gives it to no other for a while."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
