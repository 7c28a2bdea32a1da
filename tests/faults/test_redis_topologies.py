"""Every way in which Redis can be reached: read, written and followed by real servers (docs/operations.md, Redis)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from pytest_django import Settings

from procedures.caches import PROCEDURE_LIST, procedure_resource
from procedures_project.embedded import HOST
from tests import factories
from tests.faults.test_redis_errors import read, redis_at
from tests.faults.tls_front import tls_front
from tests.peeking import peek
from tests.processes import eventually
from tests.redis_servers import (
    RunningCluster,
    Watched,
    certificate,
    running_nodes,
    running_pair,
    running_sentinels,
    running_valkey,
)
from versioned_cache import addresses, breaker, configuration
from versioned_cache.audit import Verdict, audit
from versioned_cache.configuration import redis_caches
from versioned_cache.engine import VersionedCache
from versioned_cache.health import RedisState
from versioned_cache.inspection import survey
from versioned_cache.metrics import Source
from versioned_cache.store import Store
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
PASSWORD = "p@ss/w:rd?#%é"  # whose characters mean something in a URL
World = Callable[[Path], AbstractContextManager[str]]
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@contextmanager
def one_server(folder: Path) -> Iterator[str]:
    """A server without anything."""
    with running_valkey(folder) as valkey:
        yield f"redis://{HOST}:{valkey.port}/1"


@contextmanager
def unix_socket(folder: Path) -> Iterator[str]:
    """A server on a Unix socket."""
    path = folder / "redis.sock"
    with running_valkey(folder, "--unixsocket", str(path)):
        yield f"unix://{path}?db=1"


@contextmanager
def password(folder: Path) -> Iterator[str]:
    """A server with a password, whose special characters are encoded in the URL."""
    with running_valkey(folder, "--requirepass", PASSWORD) as valkey:
        yield f"redis://:{quote(PASSWORD, safe='')}@{HOST}:{valkey.port}"


@contextmanager
def access_list(folder: Path) -> Iterator[str]:
    """A server that allows the service what the documentation says, and no more."""
    (line,) = [
        line.strip() for line in OPERATIONS.read_text().splitlines() if line.strip().startswith("user procedures")
    ]
    rules = line.replace("PASSWORD", "secret").split()
    with running_valkey(folder) as valkey:
        valkey.client.execute_command("ACL", "SETUSER", *rules[1:])
        yield f"redis://procedures:secret@{HOST}:{valkey.port}"


@contextmanager
def tls(folder: Path) -> Iterator[str]:
    """A server behind TLS, which asks for a certificate of the client."""
    folder.mkdir(parents=True)
    own, key = certificate(folder)
    with running_valkey(folder) as valkey, tls_front(valkey.port, own, key, asks_for_certificate=True) as port:
        yield f"rediss://{HOST}:{port}/0?ssl_ca_certs={own}&ssl_certfile={own}&ssl_keyfile={key}"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow more time: the tests are about what the servers answer, not about how fast a busy machine lets them."""
    monkeypatch.setattr(configuration, "READ_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(configuration, "BUMP_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(breaker, "SLOW_SECONDS", 0.3)


@pytest.fixture(scope="module")
def running_watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with running_sentinels(tmp_path_factory.mktemp("sentinels")) as watched:
        yield watched


@pytest.fixture
def watched(running_watched: Watched) -> Watched:
    """A primary and a replica that Sentinels watch, with nothing in them."""
    running_watched.primary().client.flushall()
    return running_watched


@pytest.fixture(scope="module")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    with running_nodes(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture
def nodes(running_cluster: RunningCluster) -> RunningCluster:
    """A cluster of three primaries, with nothing in it."""
    for node in running_cluster.serving():
        node.client.flushall()
    return running_cluster


@pytest.mark.parametrize("world", [one_server, unix_socket, password, access_list, tls])
def test_reads_are_cached_and_writes_are_seen_at_once_by(world: World, tmp_path: Path, settings: Settings) -> None:
    with world(tmp_path / "servers") as url:
        reads_are_cached_and_writes_are_seen_at_once(url, settings)


def test_the_documented_access_list_is_enough_for_the_operators_commands(tmp_path: Path, settings: Settings) -> None:
    factories.publish(factories.body("gibson"))

    with access_list(tmp_path / "servers") as url, redis_at(url, settings) as cache:
        read(cache)
        found = survey([GIBSON], cache.store)
        audited = audit(GIBSON, cache.store)

    assert found.redis_failure is None
    assert found.inspections[0].payload is not None
    assert audited.verdict is Verdict.UNCACHED  # it was read under a fingerprint of this test's own


def test_reads_are_cached_and_writes_are_seen_at_once_by_sentinels(watched: Watched, settings: Settings) -> None:
    reads_are_cached_and_writes_are_seen_at_once(watched.url, settings)


def test_reads_are_cached_and_writes_are_seen_at_once_in_a_cluster(nodes: RunningCluster, settings: Settings) -> None:
    reads_are_cached_and_writes_are_seen_at_once(nodes.url, settings)


def reads_are_cached_and_writes_are_seen_at_once(url: str, settings: Settings) -> None:
    """Assert it of two processes with this Redis."""
    factories.publish(factories.body("gibson", title="Old"))
    with redis_at(url, settings) as writer:
        reader = VersionedCache(Store())
        assert [cache.look().state for cache in (writer, reader)] == [RedisState.OK] * 2
        assert read(reader)[1] is Source.DATABASE
        assert read(writer)[1] is Source.REDIS
        assert read(reader)[1] is Source.MEMORY
        assert peek(reader, GIBSON, "0123abcd") is not None

        factories.publish(factories.body("gibson", title="New"))
        writer.invalidate([PROCEDURE_LIST, GIBSON])

        assert reader.store.counter(GIBSON) == committed_version(GIBSON)
        assert reader.store.counter(PROCEDURE_LIST) == committed_version(PROCEDURE_LIST)
        body, source = read(reader)
        assert (b'"New"' in (body or b""), source) == (True, Source.DATABASE)


@contextmanager
def replica(folder: Path) -> Iterator[str]:
    """A replica, where a primary was expected."""
    with running_pair(folder) as (_, replica):
        yield f"redis://{HOST}:{replica.port}"


@contextmanager
def without_password(folder: Path) -> Iterator[str]:
    """A server that wants a password."""
    with running_valkey(folder, "--requirepass", PASSWORD) as valkey:
        yield f"redis://{HOST}:{valkey.port}"


@contextmanager
def without_rights(folder: Path) -> Iterator[str]:
    """A server that allows no scripts."""
    with running_valkey(folder) as valkey:
        valkey.client.execute_command("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+get", "+time", "+client")
        yield f"redis://reader:any@{HOST}:{valkey.port}"


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        (replica, "READONLY: it is a replica"),
        (without_password, "NOAUTH: it wants a password"),
        (without_rights, "NOPERM: its access list forbids it"),
    ],
)
def test_a_server_that_takes_no_bumps_is_not_believed_and_says_why(
    world: World, reason: str, tmp_path: Path, settings: Settings
) -> None:
    with world(tmp_path / "servers") as url:
        it_is_not_believed_and_says_why(url, reason, settings)


def test_a_sentinel_is_not_taken_for_a_server(watched: Watched, settings: Settings) -> None:
    url = f"redis://{HOST}:{watched.sentinels[0].port}"
    it_is_not_believed_and_says_why(url, "SENTINEL: it is a Sentinel", settings)


def test_a_node_of_a_cluster_is_not_all_of_it(nodes: RunningCluster, settings: Settings) -> None:
    url = f"redis://{HOST}:{nodes.primaries[0].port}"
    it_is_not_believed_and_says_why(url, "CLUSTER: it is a node of a cluster", settings)


def it_is_not_believed_and_says_why(url: str, reason: str, settings: Settings) -> None:
    """Assert it of a process with this Redis."""
    factories.publish(factories.body("gibson"))
    with redis_at(url, settings) as cache:
        health = cache.look()

        assert health.state is RedisState.REFUSES
        assert health.reason == reason
        assert read(cache)[1] is Source.FALLBACK


def test_a_failover_of_sentinels_is_followed(watched: Watched, settings: Settings) -> None:
    factories.publish(factories.body("gibson", title="Old"))
    with redis_at(watched.url, settings) as writer:
        reader = VersionedCache(Store())
        read(reader), read(writer)
        before = watched.primary()
        watched.fail_over()

        factories.publish(factories.body("gibson", title="New"))
        writer.invalidate([GIBSON])

        after = watched.primary()
        assert after.port != before.port
        assert after.client.get(GIBSON.counter_key) == str(committed_version(GIBSON)).encode()
        reader.look()
        assert b'"New"' in (read(reader)[0] or b"")
        assert reader.look().state is RedisState.OK


def test_a_dead_primary_is_replaced(tmp_path: Path, settings: Settings) -> None:
    factories.publish(factories.body("gibson"))
    with running_sentinels(tmp_path) as watched, redis_at(watched.url, settings) as cache:
        assert cache.look().state is RedisState.OK
        watched.primary().kill()

        assert cache.look().state is RedisState.DOWN
        assert read(cache)[1] is Source.FALLBACK
        eventually(lambda: cache.look().state is RedisState.OK, 30)
        cache.invalidate([GIBSON])

        assert cache.store.counter(GIBSON) == committed_version(GIBSON)


def test_a_slot_that_moves_is_followed(nodes: RunningCluster, settings: Settings) -> None:
    factories.publish(factories.body("gibson", title="Old"))
    with redis_at(nodes.url, settings) as writer:
        reader = VersionedCache(Store())
        for cache in (reader, writer):
            cache.look()
            read(cache)
        before = nodes.owner_of(GIBSON.counter_key)
        nodes.move_slot_of(GIBSON.counter_key)

        factories.publish(factories.body("gibson", title="New"))
        writer.invalidate([GIBSON])
        writer.look()  # which brings what is owed, if the nodes were not known yet

        after = nodes.owner_of(GIBSON.counter_key)
        assert after.port != before.port
        assert after.client.get(GIBSON.counter_key) == str(committed_version(GIBSON)).encode()
        assert b'"New"' in (read(reader)[0] or b"")
        reader.look()
        assert read(reader)[1] is Source.MEMORY


def test_a_failover_in_a_cluster_is_followed(nodes: RunningCluster, settings: Settings) -> None:
    factories.publish(factories.body("gibson"))
    with redis_at(nodes.url, settings) as cache:
        assert cache.look().state is RedisState.OK
        nodes.fail_over()
        eventually(lambda: cache.look().state is RedisState.OK)

        resources = [procedure_resource(f"procedure-{name}") for name in range(40)]  # whose slots are of all nodes
        for resource in resources:
            factories.publish(factories.body(resource.identifier))
            cache.invalidate([resource])
        eventually(lambda: cache.look().state is RedisState.OK)  # which brings what a busy machine left owed

        for resource in resources:
            held = nodes.owner_of(resource.counter_key).client.get(resource.counter_key)
            assert held == str(committed_version(resource)).encode()


def test_a_slow_handshake_costs_no_connection(tmp_path: Path, settings: Settings) -> None:
    factories.publish(factories.body("gibson"))
    own, key = certificate(tmp_path)
    with ExitStack() as stack:
        valkey = stack.enter_context(running_valkey(tmp_path / "valkey"))
        port = stack.enter_context(tls_front(valkey.port, own, key, handshake_seconds=0.4))
        cache = stack.enter_context(redis_at(f"rediss://{HOST}:{port}/0?ssl_ca_certs={own}", settings))

        assert read(cache)[1] is Source.FALLBACK  # no read waits for it
        assert cache.look().state is RedisState.OK
        assert eventually(lambda: read(cache)[1] is Source.MEMORY)


def test_the_context_of_tls_is_made_once(tmp_path: Path, settings: Settings) -> None:
    own, key = certificate(tmp_path)
    with running_valkey(tmp_path / "valkey") as valkey, tls_front(valkey.port, own, key) as port:
        url = f"rediss://{HOST}:{port}/0?ssl_ca_certs={own}"
        made_before = addresses.tls_context.cache_info().misses
        settings.CACHES = redis_caches(url, client_name="test")
        for _ in range(5):
            Store().connect("").disconnect()

    assert addresses.tls_context.cache_info().misses == made_before + 1
