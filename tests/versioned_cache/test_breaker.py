"""The circuit breaker, with a clock that the test moves."""

from contextlib import suppress

import pytest

from versioned_cache import breaker as breaker_module
from versioned_cache.breaker import FAILURES_TO_OPEN, OPEN_SECONDS, Breaker, BreakerOpen, CacheUnavailable


class Clock:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The breaker's clock."""
    clock = Clock()
    monkeypatch.setattr(breaker_module, "time", clock)
    return clock


def fail(breaker: Breaker) -> None:
    """Let one guarded operation fail."""
    with pytest.raises(CacheUnavailable), breaker.guard():
        raise CacheUnavailable("refused")


def hang(breaker: Breaker, clock: Clock) -> None:
    """Let one guarded operation fail after a while."""

    def time_out() -> None:
        clock.now += 0.1
        raise CacheUnavailable("timed out")

    with pytest.raises(CacheUnavailable), breaker.guard():
        time_out()


def hang_on_a_bypass(breaker: Breaker, clock: Clock) -> None:
    """Let one operation that bypasses the breaker fail after a while."""
    with breaker.guard(bypass=True):
        clock.now += 0.125
        raise CacheUnavailable("timed out")


def opened(clock: Clock) -> Breaker:
    """Return a breaker that has just opened."""
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        fail(breaker)
    return breaker


def test_it_lets_everything_through_at_first(clock: Clock) -> None:
    with Breaker().guard():
        pass


def test_it_opens_after_failures_in_a_row(clock: Clock) -> None:
    breaker = opened(clock)

    with pytest.raises(BreakerOpen), breaker.guard():
        pytest.fail("the operation was tried")


def test_a_success_in_between_starts_the_count_again(clock: Clock) -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        fail(breaker)
    with breaker.guard():
        pass

    fail(breaker)

    with breaker.guard():
        pass


def test_slow_calls_count_as_failures(clock: Clock) -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        with breaker.guard():
            clock.now += 0.2

    with pytest.raises(BreakerOpen), breaker.guard():
        pytest.fail("the operation was tried")


def test_a_call_that_waited_and_failed_opens_it_at_once(clock: Clock) -> None:
    breaker = Breaker()
    hang(breaker, clock)

    with pytest.raises(BreakerOpen), breaker.guard():
        pytest.fail("the operation was tried")


def test_it_lets_one_probe_through_after_a_while(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now += OPEN_SECONDS

    with breaker.guard(), pytest.raises(BreakerOpen), breaker.guard():
        pytest.fail("a second probe was tried")


def test_a_successful_probe_closes_it(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now += OPEN_SECONDS
    with breaker.guard():
        pass

    with breaker.guard():
        pass


def test_a_failed_probe_keeps_it_open(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now += OPEN_SECONDS
    fail(breaker)

    with pytest.raises(BreakerOpen), breaker.guard():
        pytest.fail("the operation was tried")


def test_watched_operations_that_fail_keep_no_probe_out(clock: Clock) -> None:
    breaker = Breaker()
    probes = 0
    for _ in range(10):
        with suppress(CacheUnavailable):
            hang_on_a_bypass(breaker, clock)
        clock.now += OPEN_SECONDS * 0.8
        with suppress(BreakerOpen), breaker.guard():
            probes += 1

    assert probes >= 4


def test_an_operation_that_bypasses_it_is_tried_though_it_is_open_and_closes_it(clock: Clock) -> None:
    breaker = opened(clock)
    with breaker.guard(bypass=True):
        pass

    with breaker.guard():
        pass
