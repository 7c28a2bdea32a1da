"""Two readers find no counter; the one with the newer version comes second.

    first    finds no counter, asks the time, selects the old version v
    second   finds no counter, asks the time
    first    lends v
    writer   commits v+1, and is slow to bump
    second   selects v+1, and finds v lent: it must lift the counter before it answers v+1
    anybody  must be given v+1: reads never go back

See Note [Bumping]. The model finds this schedule when readers lend only where no counter is.
"""

from collections.abc import Callable

import pytest

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache import bumps
from versioned_cache.engine import VersionedCache
from versioned_cache.versions import committed_versions


def test_a_reader_lifts_a_counter_that_came_meanwhile(
    stage: Stage, process: Callable[[], VersionedCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    old_version = stage.version

    def be_overtaken(resources: object) -> object:
        monkeypatch.setattr(bumps, "committed_versions", committed_versions)
        stage.read(process())
        assert stage.counter == old_version
        stage.write_without_bump("new")
        return committed_versions([RESOURCE])

    monkeypatch.setattr(bumps, "committed_versions", be_overtaken)
    second = stage.read(process())
    after = stage.read(process())

    assert second.version == old_version + 1
    assert after.version == old_version + 1
