"""A writer's process dies after COMMIT, before it has told Redis. So looks a lost bump, and so does psql.

    reader   leases v, and stores its body
    writer   commits v+1, and is gone
    anybody  is given v until the lease ends, and not a moment longer: nobody renews a lease
    anybody  reads after it: PostgreSQL says v+1

See Note [Leases].
"""

from collections.abc import Callable

from pytest_django import Settings

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache.engine import VersionedCache


def test_reads_are_late_by_the_lease_at_most(
    stage: Stage,
    process: Callable[[], VersionedCache],
    settings: Settings,
) -> None:
    settings.CACHE_LEASE_MS = 300
    cache = process()
    stage.read(cache)
    old_version = stage.version
    expiry = stage.redis.pexpiretime(RESOURCE.counter_key)

    stage.write_without_bump("new")
    meanwhile = stage.read(cache)
    expiry_after_a_read = stage.redis.pexpiretime(RESOURCE.counter_key)
    stage.let_the_lease_end()
    after = stage.read(cache)

    assert meanwhile.version in (old_version, old_version + 1)
    assert expiry_after_a_read in (expiry, -2)
    assert after.version == old_version + 1
