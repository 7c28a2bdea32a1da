"""What a process can answer at once, and that asking for it without success leaves no trace."""

from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY
from pytest_django import Settings
from redis import Redis
from structlog.testing import capture_logs

from procedures.caches import procedure_resource
from tests import factories
from tests.peeking import peek
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
NOBODY = procedure_resource("nobody")
SHAPE = "0123abcd"
NOTHING: frozenset[int] = frozenset()


@pytest.fixture
def cache(process: Callable[[], VersionedCache]) -> VersionedCache:
    """A process that holds a procedure's body."""
    factories.publish(factories.body("gibson"))
    cache = process()
    cache.read(GIBSON, SHAPE, lambda: b"body")
    return cache


def counts() -> dict[str, float]:
    """Return what the cache has counted of reads, and of reads of Redis that failed."""
    procedure = {"resource": "procedure"}
    series = {"hits": procedure, "misses": procedure, "errors": {"operation": "read"}}
    return {
        name: REGISTRY.get_sample_value(f"backend_procedure_cache_{name}_total", labels) or 0.0
        for name, labels in series.items()
    }


def test_a_body_is_at_hand_after_a_read(cache: VersionedCache) -> None:
    before = counts()

    representation = peek(cache, GIBSON, SHAPE, NOTHING)

    assert representation is not None
    assert (representation.body, representation.source) == (b"body", Source.MEMORY)
    assert counts() == before | {"hits": before["hits"] + 1}


def test_a_caller_who_knows_the_current_version_needs_no_body(process: Callable[[], VersionedCache]) -> None:
    factories.publish(factories.body("gibson"))
    version = committed_version(GIBSON) or 0

    representation = peek(process(), GIBSON, SHAPE, frozenset({version}))

    assert representation is not None
    assert (representation.version, representation.body, representation.source) == (version, None, Source.REDIS)


@pytest.mark.parametrize("case", ["another shape", "no version", "no lease", "another version known"])
def test_what_is_not_at_hand_counts_and_logs_nothing(cache: VersionedCache, redis: Redis, case: str) -> None:
    if case == "no lease":
        redis.flushdb()
    before = counts()

    with capture_logs() as logs:
        representation = peek(
            cache,
            NOBODY if case == "no version" else GIBSON,
            SHAPE if case == "no lease" else "ffffffff",
            frozenset({1}) if case == "another version known" else NOTHING,
        )

    assert representation is None
    assert (logs, counts()) == ([], before)


def test_what_has_no_version_makes_no_key_while_it_is_built(
    process: Callable[[], VersionedCache], redis: Redis
) -> None:
    sizes: list[int] = []

    def build() -> bytes:
        sizes.append(redis.dbsize())
        return b"body"

    process().read(NOBODY, SHAPE, build)

    assert sizes == [0]


def test_misses_are_logged_though_hits_are_silenced(process: Callable[[], VersionedCache], settings: Settings) -> None:
    factories.publish(factories.body("gibson"))
    settings.CACHE_LOG_HITS = False

    with capture_logs() as logs:
        process().read(GIBSON, SHAPE, lambda: b"body")

    assert [log["event"] for log in logs] == ["procedure_cache_miss"]
