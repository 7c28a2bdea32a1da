"""The warning that PostgreSQL fails goes out at once, then once a second, and says how many requests it stands for."""

import pytest
from django.db import OperationalError
from structlog.testing import capture_logs

from rest import outage
from rest.outage import QUIET_SECONDS, DatabaseOutageLog
from tests.clocks import StillClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """The log's clock."""
    clock = StillClock()
    monkeypatch.setattr(outage, "time", clock)
    return clock


def report(log: DatabaseOutageLog, sqlstate: str | None = None) -> list[tuple[str | None, int]]:
    """Report a failure; return the state that each warning names that goes out, and for how many requests it stands."""
    with capture_logs() as logs:
        log.report(OperationalError("refused\n"), sqlstate)
    return [(warning["sqlstate"], warning["requests"]) for warning in logs]


def flush(log: DatabaseOutageLog) -> list[int]:
    """Return for how many requests each warning stands that goes out without another failure."""
    with capture_logs() as logs:
        log.flush()
    return [warning["requests"] for warning in logs]


def test_the_first_failure_is_logged_at_once_and_those_of_the_next_second_are_not(clock: StillClock) -> None:
    log = DatabaseOutageLog()

    assert [report(log) for _ in range(3)] == [[(None, 1)], [], []]
    assert log.refused == 3


def test_the_next_warning_stands_for_the_requests_that_were_held_back_and_names_the_newest_error(
    clock: StillClock,
) -> None:
    log = DatabaseOutageLog()
    for _ in range(3):
        report(log)
    clock.now += QUIET_SECONDS

    assert [report(log, "57P03"), report(log)] == [[("57P03", 3)], []]


def test_failures_that_were_held_back_are_logged_without_another_one_and_only_once(clock: StillClock) -> None:
    log = DatabaseOutageLog()
    for _ in range(3):
        report(log)
    too_early = flush(log)
    clock.now += QUIET_SECONDS

    assert [too_early, flush(log), flush(log)] == [[], [2], []]
