"""Other shapes of Redis under the same load, each with what happens to it there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from procedures.caches import PROCEDURE_LIST
from procedures_project.embedded import HOST
from tests.faults.history.faults import Fault, Scene
from tests.faults.proxy import Mode, Proxy
from tests.faults.tls_front import tls_front
from tests.processes import free_port
from tests.redis_servers import certificate, running_nodes, running_sentinels, running_valkey

HANDSHAKE_SECONDS = 0.15  # longer than a read may wait

World = tuple[str, Sequence[Fault]]
"""The URL of a Redis, and its faults."""


@contextmanager
def sentinels(folder: Path) -> Iterator[World]:
    """A primary and a replica that Sentinels exchange, as told, and after a death."""
    with running_sentinels(folder) as watched:

        def fail_over(scene: Scene) -> None:
            for _ in range(2):
                scene.go_on(0.3)
                scene.relapse()
                watched.fail_over()
                scene.go_on(0.7)
            scene.recover()

        def die(scene: Scene) -> None:
            dead = watched.primary()
            scene.relapse()
            dead.kill()
            watched.await_another_primary_than(dead)
            dead.start()
            watched.await_replica(dead)
            scene.recover()

        yield watched.url, (Fault("Sentinel failover", fail_over), Fault("Sentinel: death", die))


@contextmanager
def cluster(folder: Path) -> Iterator[World]:
    """Three primaries, of which one hands over to its replica and back, while a slot that is read moves about."""
    with running_nodes(folder) as nodes:

        def fail_over(scene: Scene) -> None:
            for _ in range(2):
                scene.go_on(0.3)
                nodes.fail_over()
                scene.go_on(0.7)
            scene.recover()

        def reshard(scene: Scene) -> None:
            keys = [PROCEDURE_LIST.counter_key, *(f"{path_key}:version" for path_key in _procedures_of(scene))]
            for key in keys:
                nodes.move_slot_of(key)
                scene.go_on(0.3)
            scene.recover()

        yield nodes.url, (Fault("cluster failover", fail_over), Fault("resharding", reshard))


@contextmanager
def slow_tls(folder: Path) -> Iterator[World]:
    """A server whose TLS handshakes take longer than a read may wait, and whose connections are reset now and then."""
    folder.mkdir(parents=True)
    own, key = certificate(folder)
    with (
        running_valkey(folder) as valkey,
        tls_front(valkey.port, own, key, HANDSHAKE_SECONDS) as port,
        Proxy(free_port(), port) as proxy,
    ):

        def reset(scene: Scene) -> None:
            for _ in range(4):
                proxy.set_mode(Mode.RESET)
                proxy.set_mode(Mode.PASS)
                scene.go_on(0.8)
            scene.recover()

        yield f"rediss://{HOST}:{proxy.port}/0?ssl_ca_certs={own}", (Fault("slow TLS", reset),)


WORLDS: dict[str, Callable[[Path], AbstractContextManager[World]]] = {
    "Sentinels": sentinels,
    "a cluster": cluster,
    "slow TLS": slow_tls,
}


def _procedures_of(scene: Scene) -> list[str]:
    return [f"procedures:procedure:{procedure.key}" for procedure in scene.load.things.published]
