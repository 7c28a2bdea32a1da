"""A reader is paused between selecting the old version and leasing it, for longer than a lease.

    paused   takes its deadline, selects the old version v, is paused
    writer   commits v+1, raises the counter, is answered
             the writer's lease ends: Redis has forgotten the counter
    paused   goes on: SET v NX PXAT deadline, and the deadline has passed
    anybody  reads: PostgreSQL is asked, and says v+1

See Note [The fence].
"""

from collections.abc import Callable

from pytest_django import Settings

from procedures.versioned_cache.engine import VersionedCache
from procedures.versioned_cache.store import Store
from tests.interleavings.conftest import RESOURCE, Stage


def test_what_a_paused_reader_brings_has_expired(
    stage: Stage,
    store: Store,
    process: Callable[[], VersionedCache],
    settings: Settings,
) -> None:
    settings.CACHE_LEASE_MS = 100
    old_version = stage.version
    deadline = store.lease_deadline()
    stage.write("New")
    stage.let_the_lease_end()

    store.lease(RESOURCE, old_version, deadline)
    after = stage.read(process())

    assert after.version == old_version + 1
