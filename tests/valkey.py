"""A Valkey server that dies, freezes and comes back."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis import Redis

from procedures_project.embedded import HOST, EmbeddedServers, start_child
from tests.processes import eventually, port_of


class Valkey:
    """A Valkey server. Use it from the main thread.

    Args:
        argv: The command that starts it.
        port: Where it answers.
        folder: Where it may keep a dump.
        process: The running process; by default one is started.
    """

    def __init__(
        self, argv: list[str], port: int, folder: Path, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.binary = argv[0]
        self.port = port
        self.client: Any = Redis(host=HOST, port=port, socket_timeout=5)  # whose execute_command has no types
        self._argv = argv
        self._dump = folder / "dump.rdb"
        self._process = process or _started(argv)

    @classmethod
    def of(cls, servers: EmbeddedServers) -> "Valkey":
        """Return the Valkey of the embedded servers."""
        valkey = servers.valkey
        return cls(valkey.argv, port_of(servers.redis_url), valkey.log_path.parent, valkey.process)

    def kill(self) -> None:
        """Kill it, as the kernel does when memory is short."""
        self._process.kill()
        self._process.wait()

    def start(self, *, with_dump: bool = False) -> None:
        """Start it again, empty or with what it last saved; return when it answers."""
        if not with_dump:
            self._dump.unlink(missing_ok=True)
        self._process = _started(self._argv)
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
    def limited_to(self, limit_bytes: int, policy: str = "allkeys-random") -> Iterator[None]:
        """Limit its memory inside the block, and let it evict anything, unless the policy is another one."""
        with memory_limited(self.client, limit_bytes, policy):
            yield

    @contextlib.contextmanager
    def refusing_writes(self) -> Iterator[None]:
        """Let it wait for a replica that it does not have, inside the block: it answers reads and refuses writes."""
        self.client.config_set("min-replicas-to-write", 1)
        try:
            yield
        finally:
            self.client.config_set("min-replicas-to-write", 0)

    def hand_over_to(self, replica: "Valkey") -> None:
        """Exchange roles with a replica, as planned: nothing is lost. Return when this one is a replica in step."""
        eventually(lambda: is_in_step(replica.client))
        self.client.execute_command("FAILOVER", "TO", HOST, replica.port)
        eventually(lambda: is_in_step(self.client))

    def number(self, section: str, name: str) -> int:
        """Return a number from its INFO."""
        info: Any = self.client.info(section)
        return int(info[name])

    def stop(self) -> None:
        """End it for good."""
        self.client.close()
        self.kill()


def is_in_step(replica: Redis) -> bool:
    """Tell whether a replica has what its primary has."""
    state: Any = replica.info("replication")
    return bool(state.get("master_link_status") == "up" and not state["master_sync_in_progress"])


def _started(argv: list[str]) -> subprocess.Popen[bytes]:
    return start_child(argv, end_signal=signal.SIGTERM, output=subprocess.DEVNULL)


@contextlib.contextmanager
def memory_limited(client: Any, limit_bytes: int, policy: str) -> Iterator[None]:
    """Limit a server's memory inside the block."""
    before: Any = client.config_get("maxmemory*")
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", limit_bytes)
    try:
        yield
    finally:
        for name in ("maxmemory", "maxmemory-policy"):
            client.config_set(name, before[name])
