"""A body is long, so whoever has built it is answered while Redis is still being sent it.

builder  builds, and is answered; a thread of its process begins to store
waiter   of another process finds neither the body nor a claim to be had: it waits
builder  has stored, and gives up its claim; or cannot store it, and says so
waiter   finds the body; or builds for itself
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from django.db import connection, connections

from runs.caches import run_resource
from tests.interleavings.conftest import PATIENCE_SECONDS, RESOURCE, SHAPE, Stage, fetch_gibson
from tests.processes import eventually
from versioned_cache import payload_loader
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.configuration import LONG_BYTES
from versioned_cache.connection import THREADS_IN_THE_BACKGROUND
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.keys import Resource
from versioned_cache.metrics import Source
from versioned_cache.payload_store import PayloadStore
from versioned_cache.store import Store


class Storing:
    """The one command that stores a body, which waits until it may go on."""

    def __init__(self) -> None:
        self.has_begun, self.may_go_on = Event(), Event()
        self.error: Exception | None = None

    def wait(self) -> None:
        """Wait until it may; fail if it is to."""
        self.has_begun.set()
        assert self.may_go_on.wait(PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error


@pytest.fixture
def storing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Storing]:
    """What is stored first waits; every body is a long one."""
    storing = Storing()
    store_payload = PayloadStore.store_payload

    def wait_and_store(payloads: PayloadStore, *arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(PayloadStore, "store_payload", store_payload)
        storing.wait()
        store_payload(payloads, *arguments, **options)

    monkeypatch.setattr(payload_loader, "LONG_BYTES", 0)
    monkeypatch.setattr(PayloadStore, "store_payload", wait_and_store)
    yield storing
    storing.may_go_on.set()


@pytest.fixture
def waiting(stage: Stage, process: Callable[[], VersionedCache], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Let another process read, and return its answer when it waits for the builder."""
    has_asked = Event()
    claim_progress = Store.claim_progress

    def ask_and_tell(store: Store, *arguments: Any) -> str:
        has_asked.set()
        return claim_progress(store, *arguments)

    monkeypatch.setattr(Store, "claim_progress", ask_and_tell)

    def read(cache: VersionedCache) -> Representation:
        try:
            return stage.read(cache)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:

        def begin() -> Future[Representation]:
            answer = thread.submit(read, process())
            assert has_asked.wait(PATIENCE_SECONDS), "it does not wait"
            return answer

        yield begin


def claims(stage: Stage) -> list[object]:
    """Return the claims that there are."""
    return list(stage.redis.keys("*:fill:*"))


def test_others_wait_until_it_is_stored(
    stage: Stage, process: Callable[[], VersionedCache], storing: Storing, waiting: Callable[[], Future[Representation]]
) -> None:
    built = stage.read(process())
    assert storing.has_begun.wait(PATIENCE_SECONDS)
    assert stage.redis.exists(RESOURCE.payload_key(stage.version)) == 0
    waiter = waiting()

    storing.may_go_on.set()

    found = waiter.result(PATIENCE_SECONDS)
    assert (built.source, found.source) == (Source.DATABASE, Source.REDIS)
    assert (found.version, found.body) == (built.version, fetch_gibson())
    eventually(lambda: claims(stage) == [])


def test_where_it_cannot_be_stored_others_build(
    stage: Stage, process: Callable[[], VersionedCache], storing: Storing, waiting: Callable[[], Future[Representation]]
) -> None:
    storing.error = CacheUnavailable("it is full")
    stage.read(process())
    waiter = waiting()

    storing.may_go_on.set()

    assert waiter.result(PATIENCE_SECONDS).source is Source.DATABASE


def test_what_goes_wrong_meanwhile_is_logged_and_the_claim_given_up(
    stage: Stage, process: Callable[[], VersionedCache], storing: Storing, caplog: pytest.LogCaptureFixture
) -> None:
    storing.error = ZeroDivisionError("a mistake of ours")
    storing.may_go_on.set()

    stage.read(process())

    eventually(lambda: "a mistake of ours" in caplog.text)
    assert claims(stage) == []


@pytest.fixture
def runs(stage: Stage) -> Iterator[list[Resource]]:
    """As many runs as there are threads in the background; they have versions, and nothing else."""
    resources = [run_resource(f"long-{number}") for number in range(THREADS_IN_THE_BACKGROUND)]
    names = [[resource.name] for resource in resources]
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO resource_version VALUES (%s, 1)", names)
        yield resources
        cursor.executemany("DELETE FROM resource_version WHERE resource = %s", names)


@pytest.mark.usefixtures("patience_with_redis")
def test_many_are_stored_at_once_over_connections_that_have_to_be_made(
    stage: Stage, process: Callable[[], VersionedCache], runs: list[Resource], monkeypatch: pytest.MonkeyPatch
) -> None:
    body, cache, may_go_on = b"x" * (LONG_BYTES + 1), process(), Event()
    store_payload = PayloadStore.store_payload

    def wait_and_store(*arguments: Any, **options: Any) -> None:
        assert may_go_on.wait(PATIENCE_SECONDS)
        store_payload(*arguments, **options)

    monkeypatch.setattr(PayloadStore, "store_payload", wait_and_store)
    for run in runs:
        cache.read(run, SHAPE, lambda: body)
    cache.store.renew()
    may_go_on.set()

    eventually(lambda: claims(stage) == [])
    assert stage.redis.exists(*(run.payload_key(1) for run in runs)) == len(runs)


def test_a_builder_that_fails_gives_up_the_claim(
    stage: Stage, process: Callable[[], VersionedCache], storing: Storing
) -> None:
    def fail() -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        stage.read(process(), fail)

    assert not storing.has_begun.is_set()
    assert claims(stage) == []
