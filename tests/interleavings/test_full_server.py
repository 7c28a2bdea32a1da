"""A server that is full and evicts nothing: it refuses claims and payloads, and takes bumps.

    reader 1  has v in memory
    writer    commits v+1, and has not bumped the counter yet
    reader 2  in another process, is told v, may not claim the build, builds v+1, bumps the counter to v+1
    reader 1  is told v+1: it is not shown less than reader 2 was

See Note [Reads never go back].
"""

from collections.abc import Callable, Iterator

import pytest

from tests.interleavings.conftest import RESOURCE, Stage
from tests.valkey import memory_limited
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source


@pytest.fixture
def earlier(process: Callable[[], VersionedCache]) -> VersionedCache:
    """The process of reader 1."""
    return process()


@pytest.fixture
def full(stage: Stage, earlier: VersionedCache) -> Iterator[Stage]:
    """The stage with a leased counter and no payload, and no room for one; reader 1 has read it."""
    stage.read(earlier)
    stage.redis.delete(RESOURCE.payload_key(stage.version))
    with memory_limited(stage.redis, 1, "noeviction"):
        yield stage


def test_a_read_that_built_a_newer_version_lets_no_other_go_back(
    full: Stage, earlier: VersionedCache, process: Callable[[], VersionedCache]
) -> None:
    told = full.counter
    full.write_without_bump("new")

    first, second = full.read(process()), full.read(earlier)

    assert (told, first.version, second.version) == (full.version - 1, full.version, full.version)


def test_processes_go_on_believing_its_counters(full: Stage, process: Callable[[], VersionedCache]) -> None:
    readers = [process() for _ in range(4)]

    found = [full.read(reader) for reader in readers for _ in range(2)]

    assert [one.source for one in found] == [Source.DATABASE, Source.MEMORY] * 4
    assert not any(reader.store.breaker.is_open for reader in readers)


def test_a_process_that_builds_much_goes_on_believing_them_too(
    full: Stage, process: Callable[[], VersionedCache]
) -> None:
    reader = process()

    for number in range(5):
        full.write(f"Number {number}")
        assert full.read(reader).source is Source.DATABASE

    assert not reader.store.breaker.is_open
