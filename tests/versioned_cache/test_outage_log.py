"""The warning that Redis is unusable goes out at once, then once a second, and says how many reads it stands for."""

import pytest
from structlog.testing import capture_logs

from procedures.caches import PROCEDURE_LIST
from tests.clocks import StillClock
from versioned_cache import outage
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.metrics import RedisOperation
from versioned_cache.outage import QUIET_SECONDS, OutageLog


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """The log's clock."""
    clock = StillClock()
    monkeypatch.setattr(outage, "time", clock)
    return clock


def report(log: OutageLog, operation: RedisOperation = RedisOperation.READ) -> list[int]:
    """Report a failure; return for how many reads each warning stands that goes out."""
    with capture_logs() as logs:
        log.report(operation, PROCEDURE_LIST, CacheUnavailable("refused"))
    return [warning["reads"] for warning in logs]


def test_the_first_failure_is_logged_at_once_and_those_of_the_next_second_are_not(clock: StillClock) -> None:
    log = OutageLog()

    assert [report(log) for _ in range(3)] == [[1], [], []]


def test_the_next_warning_stands_for_the_reads_that_were_held_back(clock: StillClock) -> None:
    log = OutageLog()
    for _ in range(3):
        report(log)
    clock.now += QUIET_SECONDS

    assert [report(log), report(log)] == [[3], []]


def test_a_read_that_fails_again_on_its_way_back_counts_once(clock: StillClock) -> None:
    log = OutageLog()
    report(log)
    report(log, RedisOperation.STORE)
    clock.now += QUIET_SECONDS

    assert report(log) == [1]


def test_a_second_warning_counts_from_the_first(clock: StillClock) -> None:
    log = OutageLog()
    for _ in range(3):
        report(log)
        clock.now += QUIET_SECONDS

    assert report(log) == [1]
