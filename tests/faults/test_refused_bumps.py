"""A server that answers reads and refuses bumps: what a writer could not bump there, no reader goes on believing.

So it is after a failover that connections outlive, on a server that is full, and on one that waits for its replicas.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from pytest_django import Settings
from redis import Redis
from structlog.testing import capture_logs

from procedures.caches import procedure_resource
from procedures.models import Procedure
from procedures_project.embedded import HOST
from tests import factories
from tests.faults.proxy import Proxy
from tests.faults.test_redis_errors import read, redis_at
from tests.peeking import peek
from tests.processes import free_port
from tests.redis_servers import running_pair, running_valkey
from tests.valkey import Valkey
from versioned_cache.engine import VersionedCache
from versioned_cache.health import RedisState
from versioned_cache.metrics import Source
from versioned_cache.store import Store
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
FIRST_WRITES = 6


@pytest.fixture(autouse=True)
def long_lease(settings: Settings) -> None:
    """No lease ends by chance: what is fresh is fresh for another reason."""
    settings.CACHE_LEASE_MS = 60_000


def write(cache: VersionedCache, title: str) -> None:
    """Publish a revision, and bump its counter from the process of `cache` alone."""
    factories.publish(factories.body("gibson", title=title))
    cache.invalidate([GIBSON])


def shows(cache: VersionedCache, title: str) -> bool:
    """Tell whether a read in the process of `cache` shows a title."""
    return f'"{title}"'.encode() in (read(cache)[0] or b"")


@dataclass
class Forwarded:
    """A primary and its replica behind a forwarder, and two processes that are connected to the primary."""

    primary: Valkey
    replica: Valkey
    forwarder: Proxy
    writer: VersionedCache
    reader: VersionedCache

    def fail_over(self) -> None:
        """Exchange the two, as planned; kept connections stay with the demoted one."""
        self.primary.hand_over_to(self.replica)
        self.forwarder.lead_to(self.replica.port)


@pytest.fixture
def forwarded(tmp_path: Path, settings: Settings) -> Iterator[Forwarded]:
    """The two servers, and the procedure "gibson", which both processes have read."""
    factories.publish(factories.body("gibson", title="Old"))
    with (
        running_pair(tmp_path) as (primary, replica),
        Proxy(free_port(), primary.port) as forwarder,
        redis_at(f"redis://{HOST}:{forwarder.port}/0", settings) as writer,
    ):
        reader = VersionedCache(Store())
        for cache in (writer, reader):
            cache.look()
            cache.invalidate([GIBSON])
            read(cache)
        yield Forwarded(primary, replica, forwarder, writer, reader)


def test_a_writer_that_is_still_connected_to_a_demoted_server_bumps_on_the_new_one(forwarded: Forwarded) -> None:
    forwarded.fail_over()

    with capture_logs() as logs:
        write(forwarded.writer, "New")

    assert forwarded.replica.client.get(GIBSON.counter_key) == str(committed_version(GIBSON)).encode()
    assert "procedure_cache_invalidation_failed" not in [log["event"] for log in logs]


def test_a_process_that_only_reads_leaves_a_demoted_server_too(forwarded: Forwarded) -> None:
    forwarded.fail_over()
    forwarded.primary.client.replicaof(HOST, 1)  # what is bumped on the new one does not come here
    factories.publish(factories.body("gibson", title="New"))
    forwarded.replica.client.set(GIBSON.counter_key, committed_version(GIBSON) or 0, px=60_000)  # as another node does

    forwarded.reader.look()

    assert shows(forwarded.reader, "New")
    assert peek(forwarded.reader, GIBSON, "0123abcd") is not None
    assert read(forwarded.reader)[1] is Source.MEMORY


@pytest.fixture
def full(tmp_path: Path, settings: Settings) -> Iterator[tuple[VersionedCache, VersionedCache]]:
    """Two processes whose server is full and evicts nothing, and the procedure "gibson", which both have read."""
    factories.publish(factories.body("gibson", title="Old"))
    with running_valkey(tmp_path) as valkey, redis_at(f"redis://{HOST}:{valkey.port}", settings) as writer:
        reader = VersionedCache(Store())
        for cache in (writer, reader):
            read(cache)
        valkey.client.config_set("maxmemory-policy", "noeviction")
        valkey.client.config_set("maxmemory", 1)
        with pytest.raises(Exception, match="maxmemory"):
            valkey.client.set("anything", "else")
        yield writer, reader


def test_a_full_server_takes_bumps_all_the_same(full: tuple[VersionedCache, VersionedCache]) -> None:
    writer, reader = full
    for number in range(FIRST_WRITES):
        write(writer, f"Number {number}")

        assert shows(reader, f"Number {number}")
    assert (writer.look().state, reader.look().state) == (RedisState.OK, RedisState.OK)


def test_a_full_server_makes_and_renews_counters_too(full: tuple[VersionedCache, VersionedCache]) -> None:
    _, reader = full
    factories.publish(factories.body("fender", title="There"))

    reader.read(procedure_resource("fender"), "0123abcd", lambda: b"body")

    assert reader.store.counter(procedure_resource("fender")) == committed_version(procedure_resource("fender"))


@dataclass
class Waiting:
    """Two processes that have read a procedure, and a server that can be told to wait for replicas that it lacks."""

    server: Redis
    writer: VersionedCache
    reader: VersionedCache

    def refuse(self) -> None:
        """Let the server refuse all writes."""
        self.server.config_set("min-replicas-to-write", 1)

    def accept(self) -> None:
        """Let the server take writes."""
        self.server.config_set("min-replicas-to-write", 0)


@pytest.fixture
def waiting(redis: Redis, process: Callable[[], VersionedCache]) -> Iterator[Waiting]:
    """The two processes, and a server that still takes writes."""
    factories.publish(factories.body("gibson", title="Old"))
    waiting = Waiting(redis, process(), process())
    for cache in (waiting.writer, waiting.reader):
        cache.look()
        read(cache)
    yield waiting
    waiting.accept()


def test_the_process_of_a_refused_bump_believes_no_counter_from_then_on(waiting: Waiting) -> None:
    waiting.refuse()
    write(waiting.writer, "New")

    assert shows(waiting.writer, "New")
    assert read(waiting.writer)[1] is Source.FALLBACK


def test_another_process_believes_no_counter_from_its_next_look_on(waiting: Waiting) -> None:
    waiting.refuse()
    write(waiting.writer, "New")

    waiting.reader.look()

    assert shows(waiting.reader, "New")


def test_a_server_that_answers_reads_does_not_earn_trust_by_that(waiting: Waiting) -> None:
    waiting.refuse()
    write(waiting.writer, "New")
    for _ in range(3):
        waiting.writer.store.clock_ms(GIBSON, bypass_breaker=True)

    assert waiting.writer.store.breaker.is_open


def test_what_is_owed_is_bumped_before_the_server_is_trusted_again(waiting: Waiting) -> None:
    waiting.refuse()
    write(waiting.writer, "New")
    waiting.accept()

    waiting.writer.look()

    assert waiting.server.get(GIBSON.counter_key) == str(committed_version(GIBSON)).encode()
    assert shows(waiting.reader, "New")
    assert shows(waiting.writer, "New")
    assert read(waiting.writer)[1] is not Source.FALLBACK


def test_the_next_bump_brings_what_is_owed_along(waiting: Waiting) -> None:
    other = procedure_resource("fender")
    waiting.refuse()
    write(waiting.writer, "New")
    waiting.accept()
    factories.publish(factories.body("fender"))

    waiting.writer.invalidate([other])

    assert waiting.server.get(GIBSON.counter_key) == str(committed_version(GIBSON)).encode()


def test_each_change_is_logged_once_with_how_long_it_lasted_and_what_was_lost(waiting: Waiting) -> None:
    with capture_logs() as logs:
        waiting.refuse()
        for number in range(3):
            Procedure.objects.update(tags=[f"number-{number}"])  # of which the process of the test itself knows nothing
            waiting.writer.invalidate([GIBSON])
            waiting.writer.look()
        refused = gauge()
        waiting.accept()
        for _ in range(2):
            waiting.writer.look()

    changes = [log for log in logs if log["event"] in {"procedure_cache_degraded", "procedure_cache_recovered"}]
    assert [log["event"] for log in changes] == ["procedure_cache_degraded", "procedure_cache_recovered"]
    degraded, recovered = changes
    assert degraded["redis"] == "refuses bumps"
    assert degraded["error"].startswith("NOREPLICAS: it waits for its replicas")
    assert recovered["bumps_lost"] == 3
    assert recovered["seconds"] > 0
    assert (refused, gauge()) == (1, 0)


def test_a_bump_that_is_lost_is_tried_again_though_nobody_was_distrusted(waiting: Waiting) -> None:
    Procedure.objects.update(tags=["unseen"])  # which bumps nothing in Redis
    waiting.writer._owed.add([GIBSON])

    waiting.writer.look()

    assert waiting.server.get(GIBSON.counter_key) == str(committed_version(GIBSON)).encode()


def test_something_else_under_a_counters_key_is_replaced(waiting: Waiting) -> None:
    waiting.server.delete(GIBSON.counter_key)
    waiting.server.lpush(GIBSON.counter_key, "something else")

    assert waiting.reader.store.counter(GIBSON) is None
    assert shows(waiting.reader, "Old")
    assert waiting.server.get(GIBSON.counter_key) == str(committed_version(GIBSON)).encode()


def gauge() -> float:
    """Return whether bumps are refused, as /metrics says it."""
    return REGISTRY.get_sample_value("backend_procedure_cache_bumps_refused") or 0.0
