"""The durations that clients' latencies are traced by lie within the call that they describe, and agree."""

import time
from collections.abc import Callable

import pytest
from django.db import transaction
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from procedures.caches import procedure_resource
from tests import factories
from versioned_cache.engine import VersionedCache

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
SHAPE = "0123abcd"


@pytest.fixture
def cache(process: Callable[[], VersionedCache]) -> VersionedCache:
    """A process that has read nothing yet of a procedure."""
    factories.publish(factories.body("gibson"))
    return process()


def observed_seconds() -> float:
    """Return how long all fetches of procedures from PostgreSQL took together."""
    labels = {"resource": "procedure", "source": "database"}
    return REGISTRY.get_sample_value("backend_procedure_cache_fetch_seconds_sum", labels) or 0.0


def test_a_read_says_how_long_it_took_to_caller_log_and_histogram(cache: VersionedCache) -> None:
    observed_before, began = observed_seconds(), time.perf_counter()

    with capture_logs() as logs:
        representation = cache.read(GIBSON, SHAPE, lambda: b"body")

    assert 0 < representation.seconds <= time.perf_counter() - began
    assert logs[0]["duration_ms"] == pytest.approx(representation.seconds * 1000, abs=0.001)
    assert observed_seconds() - observed_before == pytest.approx(representation.seconds)


def test_a_read_inside_a_transaction_says_how_long_its_fetcher_took(cache: VersionedCache) -> None:
    began = time.perf_counter()

    with transaction.atomic():
        representation = cache.read(GIBSON, SHAPE, lambda: b"body")

    assert 0 < representation.seconds <= time.perf_counter() - began


def test_a_bump_says_how_long_it_took(cache: VersionedCache) -> None:
    began = time.perf_counter()

    with capture_logs() as logs:
        cache.invalidate([GIBSON])

    assert 0 < logs[0]["duration_ms"] <= (time.perf_counter() - began) * 1000 + 0.001
