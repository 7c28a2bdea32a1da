"""A bump whose connection dies is repeated once, over a fresh one: losing it would cost freshness."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from prometheus_client import REGISTRY
from pytest_django import Settings
from redis import Redis
from structlog.testing import capture_logs

from procedures.caches import procedure_resource
from tests import factories
from tests.faults.proxy import Mode, Proxy
from tests.faults.test_redis_errors import redis_at
from tests.processes import free_port
from versioned_cache.breaker import FAILURES_TO_OPEN
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
SHAPE = "0123abcd"


@dataclass
class Link:
    """A process that is connected to the real Redis through a proxy."""

    cache: VersionedCache
    proxy: Proxy


@pytest.fixture
def link(redis: Redis, settings: Settings) -> Iterator[Link]:
    """A process whose connection for bumps is already open, and a procedure that Redis does not know."""
    factories.publish(factories.body("gibson"))
    upstream_port = redis.connection_pool.connection_kwargs["port"]
    with Proxy(free_port(), upstream_port) as proxy, redis_at(f"redis://127.0.0.1:{proxy.port}/0", settings) as cache:
        cache.invalidate([GIBSON])
        redis.flushdb()
        yield Link(cache, proxy)


def test_a_bump_is_made_although_its_connection_dies(link: Link, redis: Redis) -> None:
    link.proxy.set_mode(Mode.LOSE_ONE)

    with capture_logs() as logs:
        link.cache.invalidate([GIBSON])

    assert redis.get(GIBSON.counter_key) == str(committed_version(GIBSON)).encode()
    assert [log["event"] for log in logs] == ["procedure_cache_invalidated"]


def test_a_repeated_bump_counts_once_and_not_as_a_failure(link: Link) -> None:
    made, failed = counted("invalidations_total", resource="procedure"), counted("errors_total", operation="invalidate")
    link.proxy.set_mode(Mode.LOSE_ONE)

    link.cache.invalidate([GIBSON])

    assert counted("invalidations_total", resource="procedure") == made + 1
    assert counted("errors_total", operation="invalidate") == failed


def test_a_bump_is_tried_even_when_reads_are_not_and_ends_the_outage(link: Link, redis: Redis) -> None:
    with link.proxy.behaving(Mode.RESET):
        for _ in range(FAILURES_TO_OPEN):
            link.cache.read(GIBSON, SHAPE, lambda: b"body")

    link.cache.invalidate([GIBSON])
    representation = link.cache.read(GIBSON, SHAPE, lambda: b"body")

    assert redis.get(GIBSON.counter_key) == str(committed_version(GIBSON)).encode()
    assert representation.source == Source.MEMORY


def counted(name: str, **labels: str) -> float:
    """Return the value of one of the cache's metrics."""
    return REGISTRY.get_sample_value(f"backend_procedure_cache_{name}", labels) or 0.0
