"""A body is built and stored between another process's look for it and that process's claim to build it.

late     finds no payload
prompt   finds none either, claims the build, builds, stores, gives up its claim
late     claims the build: nobody holds a claim; looks once more, and finds the payload
"""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from tests.interleavings.conftest import Stage, fetch_gibson
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source
from versioned_cache.payload_store import Look, PayloadStore


def test_it_is_not_built_again(
    stage: Stage, process: Callable[[], VersionedCache], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, prompt = process(), process()
    builds: list[int] = []
    look = PayloadStore.look

    def build() -> bytes:
        builds.append(1)
        return fetch_gibson()

    def claim_late(payloads: PayloadStore, *what: Any, claim_seconds: float = 0.0) -> Look:
        if claim_seconds:
            monkeypatch.setattr(PayloadStore, "look", look)
            stage.read(prompt, build)
        return look(payloads, *what, claim_seconds=claim_seconds)

    monkeypatch.setattr(PayloadStore, "look", claim_late)
    found = stage.read(late, build)

    assert len(builds) == 1
    assert (found.version, found.source) == (stage.version, Source.REDIS)
    assert redis.keys("*:fill:*") == []
