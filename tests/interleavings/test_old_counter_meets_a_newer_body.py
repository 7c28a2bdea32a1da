"""A process has built a newer body than it set out for; then Redis comes back with the older counter.

    other    leases v, and holds its body
    writer   commits v+1, and crashes before the bump
    reader   is told v, finds no payload, builds v+1, and holds it
    Redis    goes back to what was saved: the counter says v again
    reader   is told v: what it holds is the body of v+1, and must not be answered as v
    other    is told v: it holds the body of v, and may answer it until the lease ends

See Note [Reads never go back]. A version that named two bodies would be one ETag for two contents.
"""

from collections.abc import Callable

import pytest

from tests.interleavings.conftest import RESOURCE, SHAPE, Stage
from tests.peeking import peek
from versioned_cache.engine import VersionedCache


@pytest.fixture
def processes(stage: Stage, process: Callable[[], VersionedCache]) -> tuple[VersionedCache, VersionedCache]:
    """One that holds the old body, and one that has built the new one; Redis says the old version."""
    other, reader = process(), process()
    old_version = stage.read(other).version or 0
    dump = stage.redis.dump(RESOURCE.counter_key)
    expiry = stage.redis.pexpiretime(RESOURCE.counter_key)
    stage.redis.delete(RESOURCE.payload_key(old_version))
    stage.write_without_bump("new")
    stage.read(reader)
    stage.redis.restore(RESOURCE.counter_key, expiry, dump, replace=True, absttl=True)  # type: ignore[arg-type]
    return other, reader


def test_a_version_names_one_body_whoever_is_asked(
    stage: Stage, processes: tuple[VersionedCache, VersionedCache]
) -> None:
    found = {(representation.version, representation.body) for representation in map(stage.read, processes)}

    assert len(found) == len({version for version, _ in found})


def test_the_newer_body_is_not_at_hand_under_the_older_version(
    processes: tuple[VersionedCache, VersionedCache],
) -> None:
    _, reader = processes

    assert peek(reader, RESOURCE, SHAPE, frozenset()) is None


def test_the_newer_body_is_at_hand_under_its_own_version(
    stage: Stage, processes: tuple[VersionedCache, VersionedCache]
) -> None:
    _, reader = processes
    reader.invalidate([RESOURCE])

    at_hand = peek(reader, RESOURCE, SHAPE, frozenset())

    assert at_hand is not None
    assert at_hand.version == stage.version
    assert b'"new"' in (at_hand.body or b"")
