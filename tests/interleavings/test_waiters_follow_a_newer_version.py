"""A builder meets a newer version than the one it set out for, while another process waits for it.

writer   commits v+1, and crashes before the bump: the counter says v
builder  is told v, claims the build of v, builds v+1
waiter   is told v, finds the build claimed, waits
builder  bumps the counter to v+1, stores v+1, gives up its claim
waiter   looks again: the counter says v+1, whose payload is there
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connections

from tests.interleavings.conftest import PATIENCE_SECONDS, RESOURCE, Stage, fetch_gibson
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.metrics import Source


class Builder:
    """A process that builds on a thread of its own, and goes no further until it is told."""

    def __init__(self, stage: Stage, cache: VersionedCache) -> None:
        self._is_building, self._may_go_on = Event(), Event()
        self._stage, self._cache = stage, cache
        self._thread = ThreadPoolExecutor(1)
        self._read: Future[Representation] = self._thread.submit(self._run)
        assert self._is_building.wait(PATIENCE_SECONDS)

    def finish(self) -> Representation:
        """Let it build, store and answer."""
        self._may_go_on.set()
        return self._read.result(PATIENCE_SECONDS)

    def close(self) -> None:
        """End its thread."""
        self._may_go_on.set()
        self._thread.shutdown()

    def _run(self) -> Representation:
        try:
            return self._stage.read(self._cache, self._build)
        finally:
            connections.close_all()

    def _build(self) -> bytes:
        self._is_building.set()
        assert self._may_go_on.wait(PATIENCE_SECONDS)
        return fetch_gibson()


@pytest.fixture
def builder(stage: Stage, process: Callable[[], VersionedCache]) -> Iterator[Builder]:
    """A process that builds v+1, having been told v."""
    stage.read(process())
    stage.redis.delete(RESOURCE.payload_key(stage.version))
    stage.write_without_bump("new")
    builder = Builder(stage, process())
    yield builder
    builder.close()


def test_a_waiter_takes_what_the_builder_stored(
    stage: Stage, process: Callable[[], VersionedCache], builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_for_the_builder(_seconds: float) -> None:
        monkeypatch.undo()
        builder.finish()

    def build_again() -> bytes:
        pytest.fail("the waiter built what was stored")

    monkeypatch.setattr(time, "sleep", wait_for_the_builder)
    found = stage.read(process(), build_again)

    assert (found.version, found.source) == (stage.version, Source.REDIS)
    assert found.body == builder.finish().body
