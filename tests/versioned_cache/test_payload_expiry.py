"""Payloads that were stored together expire apart, so that they are not all built again at once."""

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from redis import Redis

from runs.caches import run_resource
from versioned_cache.configuration import PAYLOAD_TTL_SECONDS
from versioned_cache.engine import VersionedCache
from versioned_cache.keys import Resource

pytestmark = pytest.mark.django_db(transaction=True)

SHORTEST_MS, LONGEST_MS = PAYLOAD_TTL_SECONDS * 900, PAYLOAD_TTL_SECONDS * 1100
RUNS = 40
SPREAD_MS = 10_000  # a sixth of the whole range: forty are never as close as that, nor does the test take as long


@pytest.fixture
def resources(redis: Redis) -> Iterator[list[Resource]]:
    """Resources with a version each."""
    resources = [run_resource(number) for number in range(RUNS)]
    names = [resource.name for resource in resources]
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO resource_version SELECT unnest(%s::text[]), 1", [names])
    yield resources
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM resource_version WHERE resource = ANY(%s)", [names])


@pytest.fixture
def now_ms(redis: Redis) -> Callable[[], int]:
    """Redis's clock."""

    def clock() -> int:
        seconds, microseconds = redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    return clock


def test_they_expire_apart_and_within_a_tenth_of_their_lifetime(
    process: Callable[[], VersionedCache], resources: list[Resource], redis: Redis, now_ms: Callable[[], int]
) -> None:
    cache = process()
    began_ms = now_ms()

    for resource in resources:
        cache.read(resource, "0123abcd", lambda: b"body")

    expiries = [redis.pexpiretime(resource.payload_key(1)) for resource in resources]
    assert began_ms + SHORTEST_MS <= min(expiries)
    assert max(expiries) <= now_ms() + LONGEST_MS
    assert max(expiries) - min(expiries) > SPREAD_MS
