"""What is broken: two nodes over one PostgreSQL and one Valkey, real processes, each node with its own way to Redis."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
from redis import Redis

from procedures_project.embedded import HOST, embedded_servers, start_child
from tests.faults.proxy import Proxy
from tests.system.demo import PROJECT_DIR, Samples, clean_environment, eventually, free_port, is_gone

WORKERS = 2
START_SECONDS = 60.0
END_SECONDS = 15.0
CRASH_LOOP_SECONDS = 7.0  # granian's own are 5.5, from the start of the worker that replaced the last one


class Valkey:
    """A Valkey server that dies, freezes and comes back. To be used from the main thread."""

    def __init__(self, argv: list[str], port: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.binary = argv[0]
        self.port = port
        self.client = Redis(host=HOST, port=port, socket_timeout=5)
        self._argv = argv
        self._dump = folder / "dump.rdb"
        self._process = process

    def kill(self) -> None:
        """Kill it, as the kernel does when memory is short."""
        self._process.kill()
        self._process.wait()

    def start(self, *, with_dump: bool = False) -> None:
        """Start it again, empty or with what it held when it was last told to save; return when it answers."""
        if not with_dump:
            self._dump.unlink(missing_ok=True)
        self._process = _start_valkey(self._argv)
        eventually(self.answers)

    def answers(self) -> bool:
        """Tell whether it answers, and has loaded its data."""
        with contextlib.suppress(Exception):
            return bool(self.client.ping())
        return False

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze it (SIGSTOP) inside the block."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextlib.contextmanager
    def limited_to(self, limit_bytes: int) -> Iterator[None]:
        """Let it hold so much and no more inside the block, and evict whatever it likes."""
        before: Any = self.client.config_get("maxmemory*")
        self.client.config_set("maxmemory-policy", "allkeys-random")
        self.client.config_set("maxmemory", limit_bytes)
        try:
            yield
        finally:
            for name in ("maxmemory", "maxmemory-policy"):
                self.client.config_set(name, before[name])

    def number(self, section: str, name: str) -> int:
        """Return a number that it tells about itself (INFO)."""
        told: Any = self.client.info(section)
        return int(told[name])

    def stop(self) -> None:
        """End it for good."""
        self.client.close()
        self.kill()


class Node:
    """One host of the service: granian with its workers, and its way to Redis."""

    def __init__(self, name: str, folder: Path, redis: Proxy, environment: dict[str, str]) -> None:
        self.name = name
        self.redis = redis
        self._last_kill = -CRASH_LOOP_SECONDS
        self.log_path = folder / f"{name}.log"
        metrics_dir = folder / f"{name}-metrics"
        metrics_dir.mkdir()
        port = free_port()
        self.base_url = f"http://{HOST}:{port}"
        own = {"REDIS_URL": f"redis://{HOST}:{redis.port}/0", "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir)}
        argv = [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", str(WORKERS)]
        with open(self.log_path, "wb") as log:
            self._granian = start_child(
                argv, end_signal=signal.SIGTERM, cwd=PROJECT_DIR, env=environment | own, output=log.fileno()
            )

    def wait_until_serving(self) -> None:
        """Return when all workers are there, and the node is ready and has its Redis."""
        eventually(lambda: len(self.workers()) == WORKERS, START_SECONDS)
        # Each fresh connection may meet another worker.
        for _ in range(4 * WORKERS):
            eventually(self._is_ready, START_SECONDS)

    def workers(self) -> list[psutil.Process]:
        """Return the workers that run."""
        children = psutil.Process(self._granian.pid).children()
        return [child for child in children if not is_gone(child) and "resource_tracker" not in str(child.cmdline())]

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

    def stop(self) -> None:
        """End granian and its workers."""
        self._granian.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._granian.wait(END_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # its session is its own: nobody else is in the group
            os.killpg(self._granian.pid, signal.SIGKILL)
        self._granian.wait()

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
        replica = Valkey(argv, port, folder, _start_valkey(argv))
        try:
            eventually(lambda: replica.answers() and _is_in_step(replica.client))
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
def running_cluster(folder: Path, lease_ms: int) -> Iterator[Cluster]:
    """Run a cluster inside the block. To be called from the main thread."""
    with embedded_servers(folder / "data", durable=False) as servers, ExitStack() as stack:
        port = int(servers.redis_url.rsplit(":", 1)[1].split("/")[0])
        valkey = Valkey(servers.valkey.argv, port, folder / "data", servers.valkey.process)
        stack.callback(valkey.stop)
        environment = _environment(folder, servers.database_url, lease_ms)
        tokens = _prepare(environment | {"REDIS_URL": servers.redis_url})
        nodes = []
        for name in ("north", "south"):
            proxy = stack.enter_context(Proxy(free_port(), port))
            node = Node(name, folder, proxy, environment)
            stack.callback(node.stop)
            nodes.append(node)
        for node in nodes:
            node.wait_until_serving()
        psql = Path(servers.postgres.argv[0]).with_name("psql")
        yield Cluster(nodes, valkey, servers.database_url, tokens, folder, psql)


def _environment(folder: Path, database_url: str, lease_ms: int) -> dict[str, str]:
    static_root = folder / "static"
    static_root.mkdir()
    return clean_environment(
        DATABASE_URL=database_url,
        SECRET_KEY="tests-only-" + "0" * 32,
        ALLOWED_HOSTS=HOST,
        INSECURE_HTTP="1",
        METRICS_OPEN_TO_LOOPBACK="1",
        LOG_FORMAT="json",
        CACHE_LOG_HITS="0",
        CACHE_LEASE_MS=str(lease_ms),
        STATIC_ROOT=str(static_root),
    )


def _prepare(environment: dict[str, str]) -> dict[str, str]:
    argv = [sys.executable, "-m", "tests.faults.history.prepare"]
    process = subprocess.run(argv, cwd=PROJECT_DIR, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    tokens: dict[str, str] = json.loads(process.stdout)
    return tokens


def _start_valkey(argv: list[str]) -> subprocess.Popen[bytes]:
    return start_child(argv, end_signal=signal.SIGTERM, output=subprocess.DEVNULL)


def _is_in_step(replica: Redis) -> bool:
    state: Any = replica.info("replication")
    return bool(state["master_link_status"] == "up" and not state["master_sync_in_progress"])
