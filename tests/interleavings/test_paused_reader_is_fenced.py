"""A reader is paused between selecting the old version and lending it, for half a lease.

    paused   asks the time, selects the old version v, is paused
    writer   commits v+1, bumps the counter, is answered
             the writer's lease ends: Redis has forgotten the counter
    paused   goes on, and is refused: it would have put v back
             it asks the time and the version anew, and brings v+1
    anybody  must be given v+1

See Note [The fence].
"""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache import bumps
from versioned_cache.engine import VersionedCache
from versioned_cache.store import Store
from versioned_cache.versions import committed_versions


def test_a_reader_that_was_paused_for_too_long_asks_again(
    stage: Stage,
    store: Store,
    process: Callable[[], VersionedCache],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.CACHE_LEASE_MS = 200
    old_version = stage.version

    def select_and_pause(resources: object) -> object:
        monkeypatch.setattr(bumps, "committed_versions", committed_versions)
        selected = {RESOURCE: stage.version}
        stage.write("New")
        stage.let_the_lease_end()
        return selected

    monkeypatch.setattr(bumps, "committed_versions", select_and_pause)
    paused = stage.read(process())

    assert paused.version == old_version + 1
    assert stage.counter == old_version + 1
    assert b'"New"' in (stage.read(process()).body or b"")
