"""Many readers in several processes meet a key that nobody has built.

readers  all find no payload
one      claims the build; the others of its process wait for it, and those of the others for the payload
all      are given the one body that was built
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from django.db import connections

from tests.interleavings.conftest import RESOURCE, Stage, fetch_gibson
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.metrics import Source

READERS_PER_PROCESS = 4


def test_a_version_is_built_once(stage: Stage, process: Callable[[], VersionedCache]) -> None:
    builds: list[int] = []
    readers = [cache for cache in (process() for _ in range(4)) for _ in range(READERS_PER_PROCESS)]
    start = threading.Barrier(len(readers))

    def build() -> bytes:
        builds.append(1)
        return fetch_gibson()

    def read(cache: VersionedCache) -> Representation:
        try:
            _connect(
                cache
            )  # it is the key that is cold: to connect has a budget of its own, and who has none falls back
            start.wait(timeout=10)
            return stage.read(cache, build)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(readers)) as threads:
        found = list(threads.map(read, readers))

    # For whom Redis is late, as on a busy machine, builds without it: once a process.
    late = {id(cache) for cache, one in zip(readers, found, strict=True) if one.source is Source.FALLBACK}
    assert 1 <= len(builds) <= 1 + len(late)
    assert {representation.version for representation in found} == {stage.version}
    assert len({representation.body for representation in found}) == 1


def _connect(cache: VersionedCache) -> None:
    for _ in range(10):
        with suppress(CacheUnavailable):
            cache.store.run("anything", lambda client: client.ping())
            cache.store.counter(RESOURCE)
            return
