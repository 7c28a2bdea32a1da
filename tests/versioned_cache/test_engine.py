"""How a cached read is answered, counted and logged, on real PostgreSQL and Redis."""

from collections.abc import Callable

import pytest
from django.db import transaction
from prometheus_client import REGISTRY
from pytest_django import Settings
from redis import Redis
from structlog.testing import capture_logs

from procedures.caches import procedure_resource
from procedures.models import Procedure
from procedures.problems import PROCEDURE_NOT_FOUND
from tests import factories
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
NOBODY = procedure_resource("nobody")
SHAPE = "0123abcd"
Processes = Callable[[], VersionedCache]


@pytest.fixture
def version(redis: Redis) -> int:
    """The committed version of a procedure that Redis knows nothing of yet."""
    factories.publish(factories.body("gibson"))
    redis.flushdb()
    return committed_version(GIBSON) or 0


def refuse() -> bytes:
    """Stand for a fetcher that must not run."""
    pytest.fail("the fetcher ran")


def counted(name: str, **labels: str) -> float:
    """Return what a counter of the cache has counted."""
    return REGISTRY.get_sample_value(f"backend_procedure_cache_{name}", labels) or 0.0


def test_a_first_read_is_built_and_stored(process: Processes, version: int, redis: Redis) -> None:
    representation = process().read(GIBSON, SHAPE, lambda: b"body")

    assert (representation.body, representation.version, representation.source) == (b"body", version, Source.DATABASE)
    assert redis.get(GIBSON.counter_key) == str(version).encode()
    assert str(redis.get(GIBSON.payload_key(version))).endswith("body'")


def test_a_second_read_comes_from_memory(process: Processes, version: int) -> None:
    cache = process()
    cache.read(GIBSON, SHAPE, lambda: b"body")

    representation = cache.read(GIBSON, SHAPE, refuse)

    assert (representation.body, representation.source) == (b"body", Source.MEMORY)


def test_another_process_reads_it_from_redis(process: Processes, version: int) -> None:
    process().read(GIBSON, SHAPE, lambda: b"body")

    representation = process().read(GIBSON, SHAPE, refuse)

    assert (representation.body, representation.version, representation.source) == (b"body", version, Source.REDIS)


def test_a_caller_who_holds_the_current_version_is_given_no_body(process: Processes, version: int) -> None:
    representation = process().read(GIBSON, SHAPE, refuse, known=frozenset({version}))

    assert (representation.body, representation.version, representation.source) == (None, version, Source.REDIS)


def test_a_read_after_a_write_is_built_anew(process: Processes, version: int) -> None:
    cache = process()
    cache.read(GIBSON, SHAPE, lambda: b"old")
    factories.publish(factories.body("gibson", title="New"))

    representation = cache.read(GIBSON, SHAPE, lambda: b"new")

    assert (representation.body, representation.version) == (b"new", version + 1)


def test_what_has_no_version_is_built_and_leaves_nothing_in_redis(process: Processes, redis: Redis) -> None:
    representation = process().read(NOBODY, SHAPE, lambda: b"body")

    assert (representation.body, representation.version) == (b"body", None)
    assert redis.dbsize() == 0


def test_what_does_not_exist_leaves_nothing_in_redis(process: Processes, redis: Redis) -> None:
    def fetch_nobody() -> bytes:
        Procedure.objects.get_published("nobody")
        return refuse()

    with pytest.raises(PROCEDURE_NOT_FOUND):
        process().read(NOBODY, SHAPE, fetch_nobody)

    assert redis.dbsize() == 0


def test_a_fetcher_that_fails_stores_nothing_and_counts_nothing(process: Processes, version: int, redis: Redis) -> None:
    misses = counted("misses_total", resource="procedure")

    with pytest.raises(ZeroDivisionError):
        process().read(GIBSON, SHAPE, lambda: bytes(1 // 0))

    assert redis.get(GIBSON.payload_key(version)) is None
    assert counted("misses_total", resource="procedure") == misses


def test_a_read_inside_a_transaction_touches_no_cache(process: Processes, version: int, redis: Redis) -> None:
    misses = counted("misses_total", resource="procedure")

    with transaction.atomic():
        representation = process().read(GIBSON, SHAPE, lambda: b"uncommitted")

    assert (representation.body, representation.version) == (b"uncommitted", None)
    assert redis.dbsize() == 0
    assert counted("misses_total", resource="procedure") == misses


def test_a_damaged_payload_is_built_anew(process: Processes, version: int, redis: Redis) -> None:
    redis.set(GIBSON.payload_key(version), b"garbage")

    with capture_logs() as logs:
        representation = process().read(GIBSON, SHAPE, lambda: b"body")

    assert representation.body == b"body"
    assert [log["event"] for log in logs if log["log_level"] == "warning"] == ["procedure_cache_payload_refused"]


def test_another_shape_of_the_same_version_is_not_taken(process: Processes, version: int) -> None:
    cache = process()
    cache.read(GIBSON, SHAPE, lambda: b"old code")

    representation = cache.read(GIBSON, "ffffffff", lambda: b"new code")

    assert representation.body == b"new code"


def test_a_read_counts_exactly_once(process: Processes, version: int) -> None:
    cache = process()
    before = {name: counted(f"{name}_total", resource="procedure") for name in ("hits", "misses", "store")}

    cache.read(GIBSON, SHAPE, lambda: b"body")
    cache.read(GIBSON, SHAPE, refuse)
    cache.read(GIBSON, SHAPE, refuse, known=frozenset({version}))
    process().read(GIBSON, SHAPE, refuse)

    after = {name: counted(f"{name}_total", resource="procedure") for name in ("hits", "misses", "store")}
    assert {name: after[name] - before[name] for name in after} == {"hits": 3, "misses": 1, "store": 1}


@pytest.mark.parametrize("source", ["database", "memory"])
def test_the_time_of_a_fetch_is_observed_by_its_source(process: Processes, version: int, source: str) -> None:
    cache = process()
    before = counted("fetch_seconds_count", resource="procedure", source=source)

    cache.read(GIBSON, SHAPE, lambda: b"body")
    cache.read(GIBSON, SHAPE, refuse)

    assert counted("fetch_seconds_count", resource="procedure", source=source) == before + 1


def test_reads_are_logged_with_what_correlates_them(process: Processes, version: int) -> None:
    cache = process()

    with capture_logs() as logs:
        cache.read(GIBSON, SHAPE, lambda: b"body")
        cache.read(GIBSON, SHAPE, refuse)

    assert [(log["event"], log["resource"], log["key"], log["version"], log["source"]) for log in logs] == [
        ("procedure_cache_miss", "procedure", f"procedures:procedure:gibson:v{version}", version, "database"),
        ("procedure_cache_hit", "procedure", f"procedures:procedure:gibson:v{version}", version, "memory"),
    ]
    assert all(log["duration_ms"] >= 0 for log in logs)


def test_the_log_of_hits_can_be_silenced(process: Processes, version: int, settings: Settings) -> None:
    settings.CACHE_LOG_HITS = False
    cache = process()
    cache.read(GIBSON, SHAPE, lambda: b"body")

    with capture_logs() as logs:
        cache.read(GIBSON, SHAPE, refuse)

    assert logs == []


def test_a_share_of_the_hits_is_logged_and_all_are_counted(
    process: Processes, version: int, settings: Settings
) -> None:
    settings.CACHE_LOG_HITS = 0.5
    cache = process()
    cache.read(GIBSON, SHAPE, lambda: b"body")
    before = counted("hits_total", resource="procedure")

    with capture_logs() as logs:
        for _ in range(400):
            cache.read(GIBSON, SHAPE, refuse)

    assert 100 < len(logs) < 300  # a fair coin is outside of that once in 10^23 times
    assert counted("hits_total", resource="procedure") == before + 400


def test_a_bump_is_counted_and_logged(process: Processes, version: int) -> None:
    before = counted("invalidations_total", resource="procedure")

    with capture_logs() as logs:
        process().invalidate([GIBSON])

    assert counted("invalidations_total", resource="procedure") == before + 1
    assert [(log["event"], log["key"], log["version"]) for log in logs] == [
        ("procedure_cache_invalidated", "procedures:procedure:gibson:version", version)
    ]


def test_every_series_exists_from_the_start(redis: Redis) -> None:
    for resource in ("list", "procedure", "run"):
        for name in ("hits_total", "misses_total", "store_total", "invalidations_total"):
            assert REGISTRY.get_sample_value(f"backend_procedure_cache_{name}", {"resource": resource}) is not None
        for source in Source:
            labels = {"resource": resource, "source": source}
            assert REGISTRY.get_sample_value("backend_procedure_cache_fetch_seconds_count", labels) is not None
    for operation in ("read", "store", "invalidate"):
        labels = {"operation": operation}
        assert REGISTRY.get_sample_value("backend_procedure_cache_errors_total", labels) is not None


def test_a_builder_who_fails_gives_up_its_claim(process: Processes, version: int, redis: Redis) -> None:
    with pytest.raises(ZeroDivisionError):
        process().read(GIBSON, SHAPE, lambda: bytes(1 // 0))

    assert redis.keys("*:fill:*") == []
