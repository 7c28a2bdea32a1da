"""Redis answers reads and refuses writes: it waits for its replicas, is a replica itself, or is full."""

from collections.abc import Callable, Iterator

import pytest
from prometheus_client import REGISTRY
from redis import Redis
from structlog.testing import capture_logs

from procedures.caches import procedure_resource
from procedures.models import Procedure
from tests import factories
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
SHAPE = "0123abcd"


@pytest.fixture
def refuse_writes(redis: Redis) -> Iterator[Callable[[], object]]:
    """Let Redis refuse every write from now until the end of the test."""
    yield lambda: redis.config_set("min-replicas-to-write", 1)
    redis.config_set("min-replicas-to-write", 0)


@pytest.fixture
def cache(process: Callable[[], VersionedCache], redis: Redis) -> VersionedCache:
    """A process without the body of a procedure whose counter is leased and whose payload has expired."""
    factories.publish(factories.body("gibson"))
    process().read(GIBSON, SHAPE, lambda: b"old")
    redis.delete(GIBSON.payload_key(committed_version(GIBSON) or 0))
    return process()


def counted(name: str, **labels: str) -> float:
    """Return the value of one of the cache's metrics."""
    return REGISTRY.get_sample_value(f"backend_procedure_cache_{name}_total", labels) or 0.0


def test_a_reader_who_cannot_claim_the_build_falls_back(
    cache: VersionedCache, redis: Redis, refuse_writes: Callable[[], object]
) -> None:
    refuse_writes()
    before = counted("errors", operation="read")

    with capture_logs() as logs:
        representation = cache.read(GIBSON, SHAPE, lambda: b"body")

    assert (representation.body, representation.source) == (b"body", Source.FALLBACK)
    assert [log["event"] for log in logs] == [
        "procedure_cache_breaker_opened",
        "procedure_cache_unavailable",
        "procedure_cache_miss",
    ]
    assert counted("errors", operation="read") == before + 1
    assert redis.keys(f"{GIBSON.name}:*") == [GIBSON.counter_key.encode()]


def test_a_reader_who_fell_back_asks_redis_for_nothing_more(
    cache: VersionedCache, redis: Redis, refuse_writes: Callable[[], object]
) -> None:
    Procedure.objects.update(tags=["unseen"])  # which bumps nothing in Redis
    refuse_writes()
    before = counted("errors", operation="store")

    representation = cache.read(GIBSON, SHAPE, lambda: b"body")

    assert (representation.version, representation.source) == (committed_version(GIBSON), Source.FALLBACK)
    assert counted("errors", operation="store") == before


def test_a_builder_who_cannot_store_still_answers(cache: VersionedCache, refuse_writes: Callable[[], object]) -> None:
    stored, failed = counted("store", resource="procedure"), counted("errors", operation="store")

    def build() -> bytes:
        refuse_writes()
        return b"body"

    with capture_logs() as logs:
        representation = cache.read(GIBSON, SHAPE, build)

    assert (representation.body, representation.source) == (b"body", Source.DATABASE)
    assert [log["event"] for log in logs] == [
        "procedure_cache_breaker_opened",
        "procedure_cache_unavailable",
        "procedure_cache_miss",
    ]
    assert counted("store", resource="procedure") == stored
    assert counted("errors", operation="store") == failed + 1  # then nothing is tried any more, such as to unclaim


def test_a_builder_who_cannot_bump_still_answers(cache: VersionedCache, refuse_writes: Callable[[], object]) -> None:
    failed = counted("errors", operation="store")

    def build() -> bytes:
        refuse_writes()
        return b"body"

    Procedure.objects.update(tags=["unseen"])  # which bumps nothing in Redis
    representation = cache.read(GIBSON, SHAPE, build)

    assert (representation.version, representation.source) == (committed_version(GIBSON), Source.DATABASE)
    assert counted("errors", operation="store") == failed + 1  # the bump; then nothing is tried any more
