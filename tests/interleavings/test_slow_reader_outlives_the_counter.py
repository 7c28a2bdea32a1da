"""A slow reader puts the old version back after the counter has vanished, with no fault at all.

    early    leases the old version v until t1
    slow     finds no counter? not yet: it takes its deadline t2 > t1 and selects v, just before the commit
    writer   commits v+1, raises the counter: its expiry must grow to t3 > t2, not stay t1
    slow     SET NX after t1: the counter must still be there, so nothing is put back

The schedule is played on the store, where "grow" happens. See Note [The writer's rule].
"""

from procedures.versioned_cache.store import Store
from tests.interleavings.conftest import RESOURCE, Stage


def test_a_raise_outlives_every_lease_that_was_taken_before_it(stage: Stage, store: Store) -> None:
    old_version = stage.version
    early_deadline = store.lease_deadline()
    store.lease(RESOURCE, old_version, early_deadline)
    slow_deadline = early_deadline + 400

    stage.write_without_raise("new")
    writers_deadline = early_deadline + 800
    store.raise_to({RESOURCE: old_version + 1}, writers_deadline)
    store.lease(RESOURCE, old_version, slow_deadline)

    assert stage.counter == old_version + 1
    assert stage.redis.pexpiretime(RESOURCE.counter_key) == writers_deadline > slow_deadline
