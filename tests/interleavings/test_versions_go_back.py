"""PostgreSQL goes back while a counter is leased: a standby was promoted, or a backup restored.

    writer   commits v+1, bumps the counter to v+1; the commit is lost with its server
    anybody  is told v+1, finds no body of it, builds v
    lease    ends when it would have ended without that: whoever has v+1 is told so until then, and no longer

See Note [Versions of another server].
"""

from collections.abc import Callable

from pytest_django import Settings

from tests.interleavings.conftest import RESOURCE, SHAPE, Stage, fetch_gibson
from versioned_cache.engine import VersionedCache

LEASE_MS = 60_000


def test_reads_of_what_is_left_lengthen_no_lease_of_what_is_lost(
    stage: Stage, process: Callable[[], VersionedCache], settings: Settings
) -> None:
    settings.CACHE_LEASE_MS = LEASE_MS
    lost = stage.version + 1
    stage.redis.set(RESOURCE.counter_key, lost, px=LEASE_MS // 2)
    ends_at = stage.redis.pexpiretime(RESOURCE.counter_key)

    for cache in [process(), process()]:
        found = stage.read(cache)
        assert (found.version, found.body) == (stage.version, fetch_gibson())

    told = process().read(RESOURCE, SHAPE, fetch_gibson, known=frozenset({lost}))
    assert (told.version, told.body) == (lost, None)
    assert stage.redis.pexpiretime(RESOURCE.counter_key) == ends_at
