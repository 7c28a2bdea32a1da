"""A resource's row is lost in PostgreSQL while Redis still lends its version: nothing may be kept, under any number."""

from collections.abc import Callable

import pytest
from django.db import connection
from redis import Redis

from procedures.caches import procedure_resource
from tests import factories
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
SHAPE = "0123abcd"


@pytest.fixture
def lent(process: Callable[[], VersionedCache], redis: Redis) -> int:
    """The version that Redis lends, though PostgreSQL has none any more."""
    factories.publish(factories.body("gibson"))
    version = process().read(GIBSON, SHAPE, lambda: b"old").version or 0
    redis.delete(GIBSON.payload_key(version))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM resource_version WHERE resource = %s", [GIBSON.name])
    return version


def test_it_is_built_and_kept_nowhere(process: Callable[[], VersionedCache], redis: Redis, lent: int) -> None:
    cache = process()

    representation = cache.read(GIBSON, SHAPE, lambda: b"new")

    assert (representation.body, representation.version, representation.source) == (b"new", None, Source.DATABASE)
    assert redis.keys(f"{GIBSON.name}:*") == [GIBSON.counter_key.encode()]
    assert cache.memory_bytes == 0
