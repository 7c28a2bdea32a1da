"""A slow reader puts the old version back after the counter has vanished, with no fault at all.

    early    lends the old version v, until t1
    slow     asks the time, by which it may lend until t2 > t1, and selects v, just before the commit
    writer   commits v+1, bumps the counter: its expiry must grow to t3 > t2, not stay t1
    slow     brings v: the counter must still be there, and stay v+1

The schedule is played on the store, where "grow" happens. See Note [Bumping].
"""

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache.store import Store


def test_a_bump_outlives_every_lease_that_was_taken_before_it(stage: Stage, store: Store) -> None:
    old_version = stage.version
    asked_ms = store.clock_ms(RESOURCE, bypass_breaker=False)
    store.bump({RESOURCE: old_version}, asked_ms - 800, bypass_breaker=False)
    early_end_ms = stage.redis.pexpiretime(RESOURCE.counter_key)

    stage.write_without_bump("new")
    store.bump({RESOURCE: old_version + 1}, asked_ms, bypass_breaker=True)
    store.bump({RESOURCE: old_version}, asked_ms - 400, bypass_breaker=False)

    assert stage.counter == old_version + 1
    assert stage.redis.pexpiretime(RESOURCE.counter_key) == early_end_ms + 800
