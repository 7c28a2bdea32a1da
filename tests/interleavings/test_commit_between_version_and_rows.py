"""A write whose bump is lost is committed between a reader's look at the counter and its snapshot.

    reader   takes the counter's version v, finds no payload
    writer   commits v+1, and crashes before the bump
    reader   its snapshot holds v+1: it stores under v+1, bumps the counter to v+1, and answers
    other    reads in another process: it must not be given v any more (reads never go back)

See Note [Reads never go back].
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache import payload_loader, versions
from versioned_cache.engine import VersionedCache


def test_the_reader_who_saw_the_new_version_tells_the_others(
    stage: Stage, process: Callable[[], VersionedCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = process()
    stage.read(other)
    old_version = stage.version
    stage.redis.delete(RESOURCE.payload_key(old_version))

    def crash_and_snapshot() -> AbstractContextManager[None]:
        stage.write_without_bump("new")
        return versions.one_snapshot()

    with monkeypatch.context() as patch:
        patch.setattr(payload_loader, "one_snapshot", crash_and_snapshot)
        first = stage.read(process())
    second = stage.read(other)

    assert first.version == old_version + 1
    assert stage.counter == old_version + 1
    assert second.version == old_version + 1
    assert b'"new"' in (second.body or b"")
    assert stage.redis.exists(RESOURCE.payload_key(old_version + 1)) == 1
    assert stage.redis.exists(RESOURCE.payload_key(old_version)) == 0
