"""What is broken: two nodes over one PostgreSQL and one Valkey, real processes, each node with its own way to Redis."""

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from procedures_project.embedded import HOST, embedded_servers
from tests.faults.proxy import Proxy
from tests.processes import Granian, eventually, free_port, run_python, serve_argv, service_environment
from tests.samples import Samples
from tests.valkey import Valkey, is_in_step

WORKERS = 2
START_SECONDS = 60.0
CRASH_LOOP_SECONDS = 7.0  # granian's own are 5.5, from the start of the worker that replaced the last one


class Node(Granian):
    """One host of the service: granian with its workers, and its way to Redis."""

    def __init__(
        self, name: str, folder: Path, redis: Proxy, environment: dict[str, str], redis_url: str | None = None
    ) -> None:
        self.name = name
        self.redis = redis
        self._last_kill = -CRASH_LOOP_SECONDS
        port = free_port()
        self.base_url = f"http://{HOST}:{port}"
        own_way = {"REDIS_URL": redis_url or f"redis://{HOST}:{redis.port}/0"}
        super().__init__(serve_argv(port, WORKERS), folder / name, environment | own_way)

    def wait_until_serving(self) -> None:
        """Return when all workers are there, and the node is ready and has its Redis."""
        eventually(lambda: len(self.workers()) == WORKERS, START_SECONDS)
        # Each fresh connection may meet another worker.
        for _ in range(4 * WORKERS):
            eventually(self._is_ready, START_SECONDS)

    def kill_worker(self, worker: psutil.Process) -> None:
        """Kill one of the workers; granian replaces it."""
        worker.kill()
        self._last_kill = time.monotonic()

    def seconds_until_a_worker_may_die(self) -> float:
        """Return how long to wait, so that granian does not take one more death for a crash loop, and end."""
        return max(0.0, self._last_kill + CRASH_LOOP_SECONDS - time.monotonic())

    def samples(self) -> Samples:
        """Scrape /metrics."""
        return Samples(httpx.get(f"{self.base_url}/metrics", trust_env=False).raise_for_status().text)

    def _is_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.base_url}/readyz", trust_env=False, timeout=5)
        except httpx.TransportError:
            return False
        return bool(answer.json()["status"] == "ok")


@dataclass
class Cluster:
    """Everything that runs, and who may use it."""

    nodes: list[Node]
    valkey: Valkey
    database_url: str
    tokens: dict[str, str]
    folder: Path
    psql: Path

    @contextlib.contextmanager
    def replica(self, of_port: int) -> Iterator[Valkey]:
        """Run a replica of the Valkey that answers at a port, in step with it at the start of the block."""
        folder = self.folder / "replica"
        folder.mkdir(exist_ok=True)
        port = free_port()
        argv = [self.valkey.binary, "--port", str(port), "--bind", HOST, "--dir", str(folder), "--save", ""]
        argv += ["--replicaof", HOST, str(of_port), "--logfile", str(folder / "valkey.log")]
        replica = Valkey(argv, port, folder)
        try:
            eventually(lambda: replica.answers() and is_in_step(replica.client))
            yield replica
        finally:
            replica.stop()

    def sql(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement past the service, and return its rows."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def failed_invalidations(self) -> float:
        """Return how many bumps have failed so far, on all nodes."""
        name = "backend_procedure_cache_errors_total"
        return sum(node.samples().total(name, operation="invalidate") for node in self.nodes)


@contextlib.contextmanager
def running_cluster(folder: Path, lease_ms: int, redis_url: str | None = None) -> Iterator[Cluster]:
    """Run a cluster inside the block. To be called from the main thread.

    Args:
        folder: For all that is written.
        lease_ms: The lease X.
        redis_url: Of the nodes' Redis, if that is another than the one Valkey behind their proxies.
    """
    with embedded_servers(folder / "data", durable=False) as servers, ExitStack() as stack:
        valkey = Valkey.of(servers)
        stack.callback(valkey.stop)
        environment = service_environment(
            folder,
            DATABASE_URL=servers.database_url,
            INSECURE_HTTP="1",
            METRICS_OPEN_TO_LOOPBACK="1",
            CACHE_LOG_HITS="0",
            CACHE_LEASE_MS=str(lease_ms),
        )
        tokens = json.loads(run_python("tests.people", environment=environment | {"REDIS_URL": servers.redis_url}))
        nodes = []
        for name in ("north", "south"):
            proxy = stack.enter_context(Proxy(free_port(), valkey.port))
            node = Node(name, folder, proxy, environment, redis_url)
            stack.callback(node.stop)
            nodes.append(node)
        for node in nodes:
            node.wait_until_serving()
        psql = Path(servers.postgres.argv[0]).with_name("psql")
        yield Cluster(nodes, valkey, servers.database_url, tokens, folder, psql)
