"""Redis comes back with an old counter: a restart from an old dump, a failover to a lagging replica.

    reader   leases v until t, and stores its body
    Redis    is saved
    writer   commits v+1, bumps, is answered
    Redis    goes back to what was saved: the counter says v again, until t
    anybody  is given v until t, and not a moment longer

See Note [Leases]: an expiry is an instant, and comes back with the key.
"""

from collections.abc import Callable

from pytest_django import Settings

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache.engine import VersionedCache


def test_an_old_counter_is_believed_no_longer_than_its_lease(
    stage: Stage,
    process: Callable[[], VersionedCache],
    settings: Settings,
) -> None:
    settings.CACHE_LEASE_MS = 400
    stage.read(process())
    old_version = stage.version
    dump = stage.redis.dump(RESOURCE.counter_key)
    expiry = stage.redis.pexpiretime(RESOURCE.counter_key)
    stage.write("New")

    stage.redis.restore(RESOURCE.counter_key, expiry, dump, replace=True, absttl=True)  # type: ignore[arg-type]
    stage.let_the_lease_end()
    after = stage.read(process())

    assert after.version == old_version + 1
    assert b'"New"' in (after.body or b"")
