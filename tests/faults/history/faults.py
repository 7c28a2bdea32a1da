"""The faults, one function each: what breaks while clients are at work, and when it is well again.

Each returns a lease and a bit after everything is well again, so that nothing of it is left.
"""

import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.faults.history.cluster import Cluster
from tests.faults.history.history import NO_ANSWER, Write
from tests.faults.history.load import Load, Procedure, tag_of
from tests.faults.proxy import Mode, Proxy
from tests.processes import free_port

ATTEMPTS = 5
ADDRESS_OF_ITS_OWN = "127.0.0.2"  # by which a client's worker can be told; all of 127.0.0.0/8 is this machine
LITTLE_ROOM_BYTES = 1_000_000  # the connections need most of it
SET_TAGS = "UPDATE procedures_procedure SET tags = ARRAY['{tag}'] WHERE key IN ({keys})"


@dataclass
class Scene:
    """Where a fault happens.

    Attributes:
        relapses: When Redis came back with what it had held earlier.
    """

    cluster: Cluster
    load: Load
    lease_seconds: float
    relapses: list[float] = field(default_factory=list)

    def go_on(self, leases: float) -> None:
        """Let the clients work for a part of a lease, or for some."""
        self.load.go_on(leases * self.lease_seconds)

    def recover(self) -> None:
        """Let the clients work until nothing can be left of the fault."""
        self.go_on(1.2)

    def relapse(self) -> None:
        """Note that Redis comes back with old data no earlier than now."""
        self.relapses.append(time.monotonic())


@dataclass(frozen=True)
class Fault:
    """A fault, and what it excuses.

    Attributes:
        happen: Make it happen, once.
        is_harmless: Nothing may be noticed at all.
        breaks_postgresql: Requests may be answered 503, if that says when to come back.
        kills_workers: Requests may stay without an answer.
    """

    name: str
    happen: Callable[[Scene], None]
    is_harmless: bool = False
    breaks_postgresql: bool = False
    kills_workers: bool = False


def nothing(scene: Scene) -> None:
    """Break nothing."""
    scene.go_on(3)


def valkey_is_killed(scene: Scene) -> None:
    """Kill Valkey (SIGKILL), and start it again empty."""
    scene.cluster.valkey.kill()
    scene.go_on(0.8)
    scene.cluster.valkey.start()
    scene.recover()


def valkey_is_frozen(scene: Scene) -> None:
    """Freeze Valkey (SIGSTOP) for less than a lease, so that it wakes up with running leases; and for longer."""
    for leases in (0.4, 1.1):
        with scene.cluster.valkey.frozen():
            scene.go_on(leases)
        scene.recover()


def valkey_is_flushed(scene: Scene) -> None:
    """Flush Valkey again and again."""
    for _ in range(10):
        scene.cluster.valkey.client.flushall()
        scene.go_on(0.1)
    scene.recover()


def valkey_evicts(scene: Scene) -> None:
    """Leave Valkey room for little, so that it evicts anything; then for nothing, so that it refuses to store."""
    valkey = scene.cluster.valkey
    evicted_before = valkey.number("stats", "evicted_keys")
    for limit_bytes in (valkey.number("memory", "used_memory_startup") + LITTLE_ROOM_BYTES, 1):
        with valkey.limited_to(limit_bytes):
            scene.go_on(0.8)
    evicted = valkey.number("stats", "evicted_keys") - evicted_before
    assert evicted, "nothing was evicted"
    scene.recover()


def valkey_comes_back_with_an_old_dump(scene: Scene) -> None:
    """Kill Valkey, and start it again with an RDB file that writes have left behind."""
    valkey = scene.cluster.valkey
    valkey.client.save()
    scene.go_on(0.2)
    valkey.kill()
    scene.relapse()
    valkey.start(with_dump=True)
    scene.recover()


def valkey_fails_over_to_a_lagging_replica(scene: Scene) -> None:
    """Switch to a replica that has fallen behind, and soon back to the primary, which has fallen behind by then."""
    valkey = scene.cluster.valkey
    with Proxy(free_port(), valkey.port) as replication, scene.cluster.replica(replication.port) as replica:
        scene.go_on(0.2)
        replication.set_mode(Mode.HANG)
        scene.go_on(0.3)
        replica.client.replicaof("NO", "ONE")
        for port in (replica.port, valkey.port):
            scene.relapse()
            for node in scene.cluster.nodes:
                node.redis.switch(port)
            scene.go_on(0.5)
        scene.recover()


def valkey_hands_over_and_connections_stay(scene: Scene) -> None:
    """Exchange Valkey and its replica, as planned, and back; only new connections are led to the new primary."""
    valkey = scene.cluster.valkey
    with scene.cluster.replica(valkey.port) as replica:
        scene.go_on(0.2)
        for primary, successor in ((valkey, replica), (replica, valkey)):
            primary.hand_over_to(successor)
            for node in scene.cluster.nodes:
                node.redis.lead_to(successor.port)
                scene.go_on(0.2)  # the nodes are on different sides
            scene.go_on(0.8)
        scene.recover()


def valkey_is_full_and_evicts_nothing(scene: Scene) -> None:
    """Leave Valkey no room at all."""
    with scene.cluster.valkey.limited_to(1, "noeviction"):
        scene.go_on(1.5)
    scene.recover()


def valkey_refuses_writes(scene: Scene) -> None:
    """Let Valkey refuse writes for less than a lease, and for longer."""
    for leases in (0.4, 1.1):
        with scene.cluster.valkey.refusing_writes():
            scene.go_on(leases)
        scene.recover()


def one_node_loses_redis(scene: Scene) -> None:
    """Cut one node off from Redis in every way: what is written there, the other node learns from nobody."""
    cut_off, connected = scene.cluster.nodes
    writer, reader = scene.load.client("cut-off"), scene.load.client("connected")
    procedure = scene.load.things.set_aside
    for mode in (Mode.REFUSE, Mode.HANG, Mode.RESET, Mode.TRICKLE):
        reader.read(procedure.path, connected)  # takes a lease
        with cut_off.redis.behaving(mode):
            writer.put(procedure, cut_off)
            for _ in range(10):
                reader.read(procedure.path, connected)
            scene.go_on(0.6)
        scene.go_on(0.3)
    scene.recover()


def worker_is_killed_between_commit_and_bump(scene: Scene) -> None:
    """Let a bump hang, and kill the worker after the COMMIT, while the client waits for its answer."""
    for _ in range(ATTEMPTS):
        if _kill_after_commit(scene):
            return
    raise AssertionError(f"{ATTEMPTS} times, the answer was there before the worker was dead")


def _kill_after_commit(scene: Scene) -> bool:
    """Tell whether the client was left without an answer to a write that had been committed."""
    node, procedure = scene.cluster.nodes[0], scene.load.things.set_aside
    scene.load.go_on(node.seconds_until_a_worker_may_die())
    number = procedure.number + 1
    client = scene.load.client("left-alone", ADDRESS_OF_ITS_OWN)
    writer = threading.Thread(target=client.put, args=(procedure, node))
    workers = node.workers()
    with node.redis.behaving(Mode.HANG):
        writer.start()
        while writer.is_alive() and not _is_committed(scene, procedure, number):
            pass  # each look takes some milliseconds
        for worker in workers:
            worker.suspend()  # to find the right one takes time, in which no answer must leave
        for worker in workers:
            if any(connection.raddr[:1] == (ADDRESS_OF_ITS_OWN,) for connection in worker.net_connections("tcp")):
                node.kill_worker(worker)
            else:
                worker.resume()
        writer.join()
    client.close()
    node.wait_until_serving()
    scene.recover()
    return any(
        write.thing == procedure.key and write.number == number and write.status == NO_ANSWER
        for write in scene.load.history.writes
    )


def _is_committed(scene: Scene, procedure: Procedure, number: int) -> bool:
    ((tags,),) = scene.cluster.sql("SELECT tags FROM procedures_procedure WHERE key = %s", procedure.key)
    return bool(tags == [tag_of(number)])


def postgresql_backends_are_terminated(scene: Scene) -> None:
    """Terminate every backend of the service, again and again."""
    for _ in range(10):
        scene.cluster.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        scene.go_on(0.15)
    scene.recover()


def sql_goes_past_the_service(scene: Scene) -> None:
    """Write with psql to one procedure, and in bulk to several at once."""
    psql, url = str(scene.cluster.psql), scene.cluster.database_url
    bulk = scene.load.things.bulk

    def run_psql(statement: str) -> None:
        subprocess.run([psql, url, "--quiet", "--no-psqlrc", "--command", statement], check=True)

    for _ in range(3):
        _write_past_the_service(scene, bulk[:1], run_psql)
        scene.go_on(0.3)
        _write_past_the_service(scene, bulk, scene.cluster.sql)
        scene.go_on(0.4)
    scene.recover()


def _write_past_the_service(scene: Scene, procedures: list[Procedure], run: Callable[[str], object]) -> None:
    number = max(procedure.number for procedure in procedures) + 1
    keys = ", ".join(f"'{procedure.key}'" for procedure in procedures)
    began = time.monotonic()
    run(SET_TAGS.format(tag=tag_of(number), keys=keys))
    ended = time.monotonic()
    for procedure in procedures:
        procedure.number = procedure.acknowledged = number
        write = Write("sql", procedure.key, number, began, ended, HTTPStatus.OK)
        scene.load.history.writes.append(write)


FAULTS = (
    Fault("none", nothing, is_harmless=True),
    Fault("Valkey killed", valkey_is_killed),
    Fault("Valkey frozen", valkey_is_frozen),
    Fault("Valkey flushed", valkey_is_flushed),
    Fault("Valkey evicts", valkey_evicts),
    Fault("old dump", valkey_comes_back_with_an_old_dump),
    Fault("lagging replica", valkey_fails_over_to_a_lagging_replica),
    Fault("planned failover", valkey_hands_over_and_connections_stay),
    Fault("full, no eviction", valkey_is_full_and_evicts_nothing, is_harmless=True),
    Fault("refuses writes", valkey_refuses_writes),
    Fault("one node cut off", one_node_loses_redis),
    Fault("worker killed", worker_is_killed_between_commit_and_bump, kills_workers=True),
    Fault("backends ended", postgresql_backends_are_terminated, breaks_postgresql=True),
    Fault("psql and bulk", sql_goes_past_the_service),
)
