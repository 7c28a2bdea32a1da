"""The servers that the contestants share, one after the other, and what is in them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import server_versions
from benchmarks.scorecard.contestants import OURS, Contestant
from procedures_project.embedded import HOST, embedded_servers
from tests.faults.proxy import Proxy
from tests.processes import free_port, run_python, service_environment
from tests.valkey import Valkey


@dataclass(frozen=True)
class Servers:
    """PostgreSQL, Valkey, and the writer's way to it."""

    database_url: str
    redis_url: str
    valkey: Valkey
    proxy: Proxy  # the writer's way to Redis
    folder: Path

    @property
    def redis_url_of_writer(self) -> str:
        """The writer's own address of Redis."""
        return f"redis://{HOST}:{self.proxy.port}/0"

    def versions(self) -> dict[str, str]:
        """Return what the servers say they are."""
        return server_versions(self.database_url, self.valkey.client)


@contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    """Run PostgreSQL, Valkey and the writer's proxy inside the block. To be called from the main thread."""
    with embedded_servers(folder / "data", durable=False) as embedded:
        valkey = Valkey.of(embedded)
        with Proxy(free_port(), valkey.port) as proxy, closing(valkey.client):
            yield Servers(embedded.database_url, embedded.redis_url, valkey, proxy, folder)


def environment_of(contestant: Contestant, servers: Servers, redis_url: str, lease_ms: int) -> dict[str, str]:
    """Return what a process of the contestant finds in its environment."""
    service = service_environment(
        servers.folder,
        DATABASE_URL=servers.database_url,
        REDIS_URL=redis_url,
        INSECURE_HTTP="1",
        CACHE_LOG_HITS="0",
        CACHE_LEASE_MS=str(lease_ms),
    )
    return service | contestant.environment


def prepare(servers: Servers) -> str:
    """Make the schema and what is watched, for all contestants, and return a token."""
    environment = environment_of(OURS, servers, servers.redis_url, lease_ms=1000)
    return run_python("benchmarks.scorecard.prepare", environment=environment)
