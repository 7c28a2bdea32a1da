"""Many readers in several processes meet a key that nobody has built.

readers  all find no payload
one      claims the build; the others of its process wait for it, and those of the others for the payload
all      are given the one body that was built
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from tests.interleavings.conftest import Stage, fetch_gibson
from versioned_cache.engine import Representation, VersionedCache

READERS_PER_PROCESS = 4


@pytest.mark.usefixtures("patience_with_redis")
def test_a_version_is_built_once(stage: Stage, process: Callable[[], VersionedCache]) -> None:
    builds: list[int] = []
    readers = [cache for cache in (process() for _ in range(4)) for _ in range(READERS_PER_PROCESS)]
    start = threading.Barrier(len(readers))

    def build() -> bytes:
        builds.append(1)
        return fetch_gibson()

    def read(cache: VersionedCache) -> Representation:
        try:
            start.wait(timeout=10)
            return stage.read(cache, build)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(readers)) as threads:
        found = list(threads.map(read, readers))

    assert len(builds) == 1
    assert {representation.version for representation in found} == {stage.version}
    assert len({representation.body for representation in found}) == 1
