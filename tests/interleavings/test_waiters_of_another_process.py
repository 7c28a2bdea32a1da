"""A reader meets a build that another process has claimed. It waits, and looks again.

The builder meets a newer version than the one it set out for:

    writer   commits v+1, and crashes before the bump: the counter says v
    builder  is told v, claims the build of v, builds v+1
    waiter   is told v, finds the build claimed, waits
    builder  bumps the counter to v+1, stores v+1, gives up its claim
    waiter   looks again: the counter says v+1, whose payload is there

The builder fails:

    builder  gives up its claim, and has stored nothing
    waiter   looks again: claims the build, builds, stores
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
        self._is_to_fail = False
        self._stage, self._cache = stage, cache
        self._thread = ThreadPoolExecutor(1)
        self._read: Future[Representation] = self._thread.submit(self._run)
        assert self._is_building.wait(PATIENCE_SECONDS)

    def finish(self) -> Representation:
        """Let it build, store and answer."""
        self._may_go_on.set()
        return self._read.result(PATIENCE_SECONDS)

    def fail(self) -> None:
        """Let its fetcher fail."""
        self._is_to_fail = True
        with pytest.raises(ZeroDivisionError):
            self.finish()

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
        if self._is_to_fail:
            raise ZeroDivisionError
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


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen while the waiter waits for the first time."""

    def let_happen(event: Callable[[], object]) -> None:
        def sleep(_seconds: float) -> None:
            monkeypatch.undo()
            event()

        monkeypatch.setattr(time, "sleep", sleep)

    return let_happen


def test_it_takes_what_the_builder_stored_under_a_newer_version(
    stage: Stage,
    process: Callable[[], VersionedCache],
    builder: Builder,
    meanwhile: Callable[[Callable[[], object]], None],
) -> None:
    meanwhile(builder.finish)

    found = stage.read(process(), lambda: pytest.fail("it built what was stored"))

    assert (found.version, found.source) == (stage.version, Source.REDIS)
    assert found.body == builder.finish().body


def test_it_takes_over_from_a_builder_who_failed(
    stage: Stage,
    process: Callable[[], VersionedCache],
    builder: Builder,
    meanwhile: Callable[[Callable[[], object]], None],
) -> None:
    meanwhile(builder.fail)

    built = stage.read(process(), lambda: b"the waiter's")
    found = stage.read(process(), lambda: pytest.fail("it was not stored"))

    assert (built.version, built.source) == (stage.version, Source.DATABASE)
    assert (found.version, found.body) == (stage.version, b"the waiter's")
    assert stage.redis.keys("*:fill:*") == []
