"""Many readers in several processes meet a list that nobody has built, of a size that takes a while.

readers  all find no payload
one      claims the build, says now and then how far it is, stores what it has built, or says that it could not
all      are given the one list that was built; or each process builds it at the same time, if Redis has not got it
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from django.db import connections
from pytest_django import Settings
from redis import Redis

from procedures.caches import FINGERPRINT, PROCEDURE_LIST, PROCEDURES
from tests import factories
from versioned_cache import composer, shared_builds
from versioned_cache.breaker import CommandRefused
from versioned_cache.composer import ItemSource
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.metrics import Source
from versioned_cache.payload_store import PayloadStore

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("patience_with_redis")]

PROCESSES, READERS_PER_PROCESS = 4, 4
STATEMENTS = 4
PATIENCE_SECONDS = 1.0


@dataclass
class SlowProcedures:
    """The procedures as the items of a list, built slowly, and who built them when.

    Attributes:
        pause_seconds: How long each statement takes.
        builds: The instants at which a thread had its first and its last answer.
    """

    pause_seconds: float = 0.0
    builds: dict[int, list[float]] = field(default_factory=dict)

    @property
    def source(self) -> ItemSource:
        return ItemSource(PROCEDURES.kind, PROCEDURES.identifiers, self._bodies)

    def _bodies(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.builds.setdefault(threading.get_ident(), []).append(time.monotonic())
        time.sleep(self.pause_seconds)
        return dict(PROCEDURES.bodies(keys))


@pytest.fixture
def slow(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> SlowProcedures:
    """Procedures that take several statements to build, in all longer than a waiter waits for a sign of life."""
    monkeypatch.setattr(composer, "ITEMS_A_STATEMENT", 1)
    monkeypatch.setattr(shared_builds, "CLAIM_WAIT_SECONDS", PATIENCE_SECONDS)
    for number in range(STATEMENTS):
        factories.publish(factories.body(f"procedure-{number}"))
    return SlowProcedures()


@pytest.fixture
def read_all(process: Callable[[], VersionedCache]) -> Callable[[SlowProcedures], list[Representation]]:
    """Let the readers of all processes read at once."""

    def read_at_once(slow: SlowProcedures) -> list[Representation]:
        caches = [cache for cache in (process() for _ in range(PROCESSES)) for _ in range(READERS_PER_PROCESS)]
        start = threading.Barrier(len(caches))

        def read(cache: VersionedCache) -> Representation:
            try:
                start.wait(timeout=10)
                return cache.read(PROCEDURE_LIST, FINGERPRINT, slow.source)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(caches)) as threads:
            return list(threads.map(read, caches))

    return read_at_once


Readers = Callable[[SlowProcedures], list[Representation]]


def assert_all_are_right(found: list[Representation]) -> None:
    assert {representation.body for representation in found} == {PROCEDURES()}


def test_it_is_built_once_though_that_takes_longer_than_anybody_waits_in_vain(
    slow: SlowProcedures, read_all: Readers
) -> None:
    slow.pause_seconds = 0.6 * PATIENCE_SECONDS  # the whole takes more than twice the patience

    found = read_all(slow)

    assert_all_are_right(found)
    assert len(slow.builds) == 1
    assert sum(representation.source is Source.DATABASE for representation in found) == 1


def test_what_is_too_long_for_redis_is_built_once(slow: SlowProcedures, read_all: Readers, settings: Settings) -> None:
    settings.CACHE_MAX_PAYLOAD_BYTES = 100

    found = read_all(slow)

    assert_all_are_right(found)
    assert len(slow.builds) == 1


def test_what_redis_refuses_is_built_once_a_process_and_by_all_at_the_same_time(
    slow: SlowProcedures, read_all: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise CommandRefused("OOM", "OOM command not allowed when used memory > 'maxmemory'.")

    monkeypatch.setattr(PayloadStore, "store_payload", refuse)
    slow.pause_seconds = 0.4 * PATIENCE_SECONDS

    found = read_all(slow)

    assert_all_are_right(found)
    _, *others = sorted(slow.builds.values())
    assert 1 <= len(slow.builds) <= PROCESSES
    assert all(first[0] < other[-1] for first in others for other in others), "they built one after the other"


def test_the_claim_of_a_builder_that_vanishes_ends_soon(slow: SlowProcedures, read_all: Readers, redis: Redis) -> None:
    version = read_all(slow)[0].version or 0
    redis.delete(PROCEDURE_LIST.payload_key(version), PROCEDURE_LIST.index_key(version, FINGERPRINT))
    redis.set(PROCEDURE_LIST.claim_key(version, FINGERPRINT), "1 of 4", px=int(PATIENCE_SECONDS * 500))
    slow.builds.clear()

    found = read_all(slow)

    assert_all_are_right(found)
    assert len(slow.builds) == 1
