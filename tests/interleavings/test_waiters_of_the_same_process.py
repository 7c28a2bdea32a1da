"""A reader meets a build that another thread of its process has begun.

builder  builds v
waiter   waits
builder  is done, or fails
waiter   is woken: it answers with what was built, or builds for itself
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import pytest
from django.db import connections
from prometheus_client import REGISTRY

from tests.interleavings.conftest import PATIENCE_SECONDS, RESOURCE, Stage
from versioned_cache import payload_loader
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.metrics import Source


@dataclass
class Waiter:
    """A thread that reads, and whose waiting can be awaited."""

    stage: Stage
    cache: VersionedCache
    is_waiting: Event = field(default_factory=Event)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "waiter"))

    def begin(self, fetcher: Callable[[], bytes]) -> Future[Representation]:
        """Read what is being built; return when it waits for the build."""

        def read() -> Representation:
            try:
                return self.stage.read(self.cache, fetcher)
            finally:
                connections.close_all()

        answer = self.pool.submit(read)
        assert self.is_waiting.wait(PATIENCE_SECONDS), "it does not wait"
        return answer


@pytest.fixture
def waiter(stage: Stage, process: Callable[[], VersionedCache], monkeypatch: pytest.MonkeyPatch) -> Iterator[Waiter]:
    """One that waits for longer than the test does."""
    waiter = Waiter(stage, process())
    wait = Event.wait

    def tell_and_wait(event: Event, timeout: float | None = None) -> bool:
        if threading.current_thread().name.startswith("waiter"):
            waiter.is_waiting.set()
        return wait(event, timeout)

    monkeypatch.setattr(Event, "wait", tell_and_wait)
    monkeypatch.setattr(payload_loader, "BUILD_WAIT_SECONDS", 2.0 * PATIENCE_SECONDS)
    yield waiter
    waiter.pool.shutdown()


def refuse() -> bytes:
    """Stand for a fetcher that must not run."""
    pytest.fail("the fetcher ran")


def counts() -> dict[str, float]:
    """Return what the cache has counted for procedures."""
    labels = {"resource": "procedure"}
    names = ("hits", "misses", "store")
    return {name: REGISTRY.get_sample_value(f"backend_procedure_cache_{name}_total", labels) or 0.0 for name in names}


def test_a_waiter_is_given_what_was_built_and_counts_as_a_hit(stage: Stage, waiter: Waiter) -> None:
    before = counts()
    answers: list[Future[Representation]] = []

    def build() -> bytes:
        answers.append(waiter.begin(refuse))
        return b"built once"

    built = stage.read(waiter.cache, build)
    given = answers[0].result(PATIENCE_SECONDS)

    assert (given.version, given.body, given.source) == (built.version, b"built once", Source.MEMORY)
    assert {name: count - before[name] for name, count in counts().items()} == {"hits": 1, "misses": 1, "store": 1}


def test_a_waiter_whose_builder_fails_builds_for_itself_and_stores_nothing(stage: Stage, waiter: Waiter) -> None:
    before = counts()
    answers: list[Future[Representation]] = []

    def fail() -> bytes:
        answers.append(waiter.begin(lambda: b"the waiter's"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage.read(waiter.cache, fail)
    answered = answers[0].result(PATIENCE_SECONDS)

    assert (answered.version, answered.body, answered.source) == (stage.version, b"the waiter's", Source.DATABASE)
    assert {name: count - before[name] for name, count in counts().items()} == {"hits": 0, "misses": 1, "store": 0}
    assert stage.redis.exists(RESOURCE.payload_key(stage.version)) == 0
