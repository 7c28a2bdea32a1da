"""What a process can answer at once while Redis is unusable: PostgreSQL is asked only for the version."""

from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY
from pytest_django import Settings
from structlog.testing import capture_logs

from procedures.caches import procedure_resource
from tests import factories
from tests.faults.test_redis_errors import FAULTS, redis_at, server
from tests.peeking import peek
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
SHAPE = "0123abcd"


@pytest.fixture
def cache(redis: object, settings: Settings) -> Iterator[VersionedCache]:
    """A process whose Redis refuses everything at once, and a procedure."""
    factories.publish(factories.body("gibson"))
    with server(FAULTS["READONLY"]) as url, redis_at(url, settings) as cache:
        yield cache


def failed_reads() -> float:
    """Return how many reads of Redis have failed so far."""
    return REGISTRY.get_sample_value("backend_procedure_cache_errors_total", {"operation": "read"}) or 0.0


def test_a_known_version_is_at_hand_and_the_outage_is_logged_and_counted(cache: VersionedCache) -> None:
    version, before = committed_version(GIBSON) or 0, failed_reads()

    with capture_logs() as logs:
        representation = peek(cache, GIBSON, SHAPE, frozenset({version}))

    assert representation is not None
    assert (representation.version, representation.body, representation.source) == (version, None, Source.FALLBACK)
    assert [log["event"] for log in logs] == [
        "procedure_cache_breaker_opened",  # a replica that became one may not be believed
        "procedure_cache_unavailable",
        "procedure_cache_hit",
    ]
    assert logs[1]["reads"] == 1
    assert failed_reads() == before + 1


def test_a_body_is_at_hand_that_was_built_meanwhile(cache: VersionedCache) -> None:
    cache.read(GIBSON, SHAPE, lambda: b"body")

    representation = peek(cache, GIBSON, SHAPE, frozenset())

    assert representation is not None
    assert (representation.body, representation.source) == (b"body", Source.FALLBACK)


def test_what_is_not_at_hand_is_left_to_be_logged_by_the_read_that_follows(cache: VersionedCache) -> None:
    before = failed_reads()

    with capture_logs() as logs:
        representation = peek(cache, GIBSON, SHAPE, frozenset())

    assert representation is None
    assert [log["event"] for log in logs] == ["procedure_cache_breaker_opened"]
    assert failed_reads() == before + 1


def test_a_body_of_an_older_version_is_not_at_hand(cache: VersionedCache) -> None:
    cache.read(GIBSON, SHAPE, lambda: b"body")
    factories.publish(factories.body("gibson", title="New"))

    assert peek(cache, GIBSON, SHAPE, frozenset()) is None


def test_a_read_counts_as_built_once_and_as_a_hit_after_that(cache: VersionedCache) -> None:
    with capture_logs() as logs:
        representations = [cache.read(GIBSON, SHAPE, lambda: b"body") for _ in range(2)]

    assert [representation.source for representation in representations] == [Source.FALLBACK, Source.FALLBACK]
    assert [log["event"] for log in logs if log["log_level"] == "info"] == [
        "procedure_cache_miss",
        "procedure_cache_hit",
    ]
