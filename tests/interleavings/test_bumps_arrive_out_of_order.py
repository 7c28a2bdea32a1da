"""Two writers commit one after the other; their bumps arrive the other way round.

    first    commits v+1
    second   commits v+2, bumps to v+2, is answered
    first    bumps: it has selected v+1 long ago
    anybody  must be given v+2

See Note [Bumping].
"""

from collections.abc import Callable

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache.engine import VersionedCache
from versioned_cache.store import Store


def test_a_late_bump_never_lowers_the_counter(
    stage: Stage, store: Store, process: Callable[[], VersionedCache]
) -> None:
    stage.read(process())
    stage.write_without_bump("first")
    first_version = stage.version
    asked_at_ms = store.clock_ms(RESOURCE, bypass_breaker=True)
    stage.write("Second")

    store.bump({RESOURCE: first_version}, asked_at_ms, bypass_breaker=True)
    after = stage.read(process())

    assert stage.counter == first_version + 1
    assert b'"Second"' in (after.body or b"")
