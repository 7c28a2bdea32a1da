"""A write is committed while a reader builds the old body.

    reader   takes the counter's version v, begins its snapshot, builds the old body
    writer   commits, bumps the counter to v+1, is answered
    reader   stores the old body under v, and answers it (it was asked before the write was answered)
    anybody  reads: the counter says v+1, so nobody asks for v any more

See Note [Version before rows].
"""

from collections.abc import Callable

from tests.interleavings.conftest import RESOURCE, Stage, fetch_gibson
from versioned_cache.engine import VersionedCache


def test_the_old_body_is_stored_where_nobody_looks(stage: Stage, process: Callable[[], VersionedCache]) -> None:
    old_version = stage.version

    def build_slowly() -> bytes:
        body = fetch_gibson()
        stage.write("New")
        return body

    slow = stage.read(process(), build_slowly)
    after = stage.read(process())

    assert b'"Old"' in (slow.body or b"")
    assert slow.version == old_version
    assert b"Old" in stage.redis.get(RESOURCE.payload_key(old_version))  # type: ignore[operator]
    assert b'"New"' in (after.body or b"")
    assert after.version == old_version + 1
