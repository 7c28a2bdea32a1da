"""A body is built and stored between another process's look for it and that process's claim to build it.

late     finds no payload
prompt   finds none either, claims the build, builds, stores, gives up its claim
late     claims the build: nobody holds a claim; looks once more, and finds the payload
"""

from collections.abc import Callable

import pytest
from redis import Redis

from tests.interleavings.conftest import Stage, fetch_gibson
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source
from versioned_cache.store import Store


def test_it_is_not_built_again(
    stage: Stage, process: Callable[[], VersionedCache], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, prompt = process(), process()
    builds: list[int] = []
    claim_fill = Store.claim_fill

    def build() -> bytes:
        builds.append(1)
        return fetch_gibson()

    def claim_late(store: Store, *arguments: object) -> bool:
        monkeypatch.setattr(Store, "claim_fill", claim_fill)
        stage.read(prompt, build)
        return claim_fill(store, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "claim_fill", claim_late)
    found = stage.read(late, build)

    assert len(builds) == 1
    assert (found.version, found.source) == (stage.version, Source.REDIS)
    assert redis.keys("*:fill:*") == []
