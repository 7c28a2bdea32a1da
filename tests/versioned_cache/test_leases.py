"""What is lent is lent for a time: counters, which no read lends for longer, and the right to build."""

from collections.abc import Callable

import pytest
from pytest_django import Settings
from redis import Redis

from procedures.caches import procedure_resource
from tests import factories
from tests.peeking import peek
from versioned_cache.engine import VersionedCache
from versioned_cache.shared_builds import CLAIM_WAIT_SECONDS
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
SHAPE = "0123abcd"


@pytest.fixture
def expiry_ms(process: Callable[[], VersionedCache], redis: Redis, settings: Settings) -> int:
    """When the lease of a procedure's counter ends: not within the test."""
    settings.CACHE_LEASE_MS = 60_000
    factories.publish(factories.body("gibson"))
    process().read(GIBSON, SHAPE, lambda: b"body")
    return int(redis.pexpiretime(GIBSON.counter_key))


def read_payload(cache: VersionedCache, _redis: Redis) -> None:
    """Find a payload in Redis."""
    cache.read(GIBSON, SHAPE, lambda: pytest.fail("the fetcher ran"))


def build_again(cache: VersionedCache, redis: Redis) -> None:
    """Find none, build, store."""
    redis.delete(GIBSON.payload_key(committed_version(GIBSON) or 0))
    cache.read(GIBSON, SHAPE, lambda: b"body")


def read_from_memory(cache: VersionedCache, redis: Redis) -> None:
    """Find a body in the process."""
    read_payload(cache, redis)
    assert peek(cache, GIBSON, SHAPE, frozenset())


@pytest.mark.parametrize("read", [read_payload, build_again, read_from_memory])
def test_it_ends_when_it_would_have_ended_without(
    process: Callable[[], VersionedCache], redis: Redis, expiry_ms: int, read: Callable[[VersionedCache, Redis], None]
) -> None:
    read(process(), redis)

    assert redis.pexpiretime(GIBSON.counter_key) == expiry_ms


def test_the_right_to_build_ends_though_the_builder_is_gone(
    process: Callable[[], VersionedCache], redis: Redis
) -> None:
    factories.publish(factories.body("gibson"))
    lifetimes_ms: list[int] = []

    def build() -> bytes:
        lifetimes_ms.extend(redis.pttl(key) for key in redis.keys("*:fill:*"))
        return b"body"

    process().read(GIBSON, SHAPE, build)

    assert len(lifetimes_ms) == 1
    assert 0 < lifetimes_ms[0] <= CLAIM_WAIT_SECONDS * 1000
