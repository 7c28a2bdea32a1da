"""Redis has closed an idle connection (a restart, its `timeout`, an operator): the next read must not notice."""

from collections.abc import Callable

import pytest
from redis import Redis
from structlog.testing import capture_logs

from procedures.caches import procedure_resource
from tests import factories
from tests.peeking import peek
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
SHAPE = "0123abcd"


@pytest.fixture
def cache(process: Callable[[], VersionedCache], redis: Redis) -> VersionedCache:
    """A process that holds a body, and whose connections Redis has closed."""
    factories.publish(factories.body("gibson"))
    cache = process()
    cache.read(GIBSON, SHAPE, lambda: b"body")
    redis.client_kill_filter(_type="normal", skipme=True)
    return cache


def test_a_read_is_answered_as_if_nothing_had_happened(cache: VersionedCache) -> None:
    with capture_logs() as logs:
        representation = cache.read(GIBSON, SHAPE, lambda: pytest.fail("the fetcher ran"))

    assert (representation.body, representation.source) == (b"body", Source.MEMORY)
    assert [log["event"] for log in logs] == ["procedure_cache_hit"]


def test_what_is_at_hand_is_found_as_if_nothing_had_happened(cache: VersionedCache) -> None:
    representation = peek(cache, GIBSON, SHAPE, frozenset())

    assert representation is not None
    assert (representation.body, representation.source) == (b"body", Source.MEMORY)


def test_a_bump_is_made_as_if_nothing_had_happened(cache: VersionedCache) -> None:
    with capture_logs() as logs:
        cache.invalidate([GIBSON])

    assert [log["event"] for log in logs] == ["procedure_cache_invalidated"]
