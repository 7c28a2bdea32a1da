"""Redis evicts a counter, or is flushed, or restarts empty.

    reader   leases v, and stores its body
    Redis    forgets the counter (and, flushed, all payloads)
    anybody  reads: PostgreSQL restores the very same number, so the payload is still the right one

And with a write in between, no old payload comes back to life. See Note [Leases].
"""

from collections.abc import Callable

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source


def test_an_evicted_counter_is_restored_and_leads_to_the_same_payload(
    stage: Stage, process: Callable[[], VersionedCache]
) -> None:
    first = stage.read(process())
    stage.redis.delete(RESOURCE.counter_key)

    second = stage.read(process())

    assert (second.version, second.body) == (first.version, first.body)
    assert second.source == Source.REDIS


def test_a_write_while_the_counter_is_gone_is_seen_at_once(stage: Stage, process: Callable[[], VersionedCache]) -> None:
    stage.read(process())
    stage.redis.delete(RESOURCE.counter_key)
    stage.write("New")

    after = stage.read(process())

    assert b'"New"' in (after.body or b"")


def test_a_flushed_redis_brings_nothing_old_back(stage: Stage, process: Callable[[], VersionedCache]) -> None:
    cache = process()
    stage.read(cache)
    stage.write("New")
    stage.redis.flushdb()

    after = stage.read(cache)

    assert b'"New"' in (after.body or b"")
