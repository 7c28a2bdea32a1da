"""How many failures in a row the breaker takes, and what it says of the last one."""

import pytest

from tests.clocks import StillClock
from tests.versioned_cache.test_breaker import fail
from versioned_cache import breaker as breaker_module
from versioned_cache.breaker import FAILURES_TO_OPEN, Breaker, BreakerOpen


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """The breaker's clock, so that no call is slow by chance."""
    clock = StillClock()
    monkeypatch.setattr(breaker_module, "time", clock)
    return clock


def test_a_success_takes_back_every_failure_before_it(clock: StillClock) -> None:
    breaker = Breaker()
    fail(breaker)
    with breaker.guard():
        pass
    for _ in range(FAILURES_TO_OPEN - 1):
        fail(breaker)

    with breaker.guard():
        pass


def test_whoever_is_turned_away_is_told_why(clock: StillClock) -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        fail(breaker)

    with pytest.raises(BreakerOpen, match="refused"), breaker.guard():
        pytest.fail("the operation was tried")
