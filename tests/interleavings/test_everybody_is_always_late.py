"""A process is held up for half a lease between asking the time and bringing the version, whenever it tries.

See Note [The fence]. It gives up: a reader answers from PostgreSQL, a writer's bump counts as failed.
"""

from collections.abc import Callable

import pytest
from pytest_django import Settings
from structlog.testing import capture_logs

from tests.interleavings.conftest import RESOURCE, Stage
from versioned_cache.engine import VersionedCache
from versioned_cache.events import BREAKER_OPENED, INVALIDATION_FAILED
from versioned_cache.metrics import Source


@pytest.fixture
def cache(stage: Stage, process: Callable[[], VersionedCache], settings: Settings) -> VersionedCache:
    """A process that comes too late every time: half of no lease has always passed."""
    settings.CACHE_LEASE_MS = 0
    return process()


def test_a_reader_answers_from_postgresql(stage: Stage, cache: VersionedCache) -> None:
    with capture_logs() as logs:
        representation = stage.read(cache)

    assert (representation.version, representation.source) == (stage.version, Source.FALLBACK)
    assert "half a lease" in next(log["error"] for log in logs if log["event"] == "procedure_cache_unavailable")
    assert stage.redis.dbsize() == 0


def test_a_bump_counts_as_failed(stage: Stage, cache: VersionedCache) -> None:
    with capture_logs() as logs:
        cache.invalidate([RESOURCE])

    # On a busy machine it may also be slow, and Redis be distrusted for that.
    assert [log["event"] for log in logs if log["event"] != BREAKER_OPENED] == [INVALIDATION_FAILED]
    assert stage.counter is None
