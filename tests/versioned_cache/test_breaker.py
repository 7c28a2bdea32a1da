"""The circuit breaker, with a clock that the test moves."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from tests.clocks import StillClock
from versioned_cache import breaker as breaker_module
from versioned_cache.breaker import (
    FAILURES_TO_OPEN,
    OPEN_SECONDS,
    Breaker,
    BreakerOpen,
    CacheUnavailable,
    CommandRefused,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StillClock:
    """The breaker's clock."""
    clock = StillClock()
    monkeypatch.setattr(breaker_module, "time", clock)
    return clock


def fail(breaker: Breaker) -> None:
    """Let one guarded operation fail."""
    with pytest.raises(CacheUnavailable), breaker.guard():
        raise CacheUnavailable("refused")


def hang(breaker: Breaker, clock: StillClock) -> None:
    """Let one guarded operation fail after a while."""

    def time_out() -> None:
        clock.now += 0.1
        raise CacheUnavailable("timed out")

    with pytest.raises(CacheUnavailable), breaker.guard():
        time_out()


def hang_on_a_bypass(breaker: Breaker, clock: StillClock) -> None:
    """Let one operation that bypasses the breaker fail after a while."""
    with breaker.guard(bypass=True):
        clock.now += 0.125
        raise CacheUnavailable("timed out")


def fail_though_open(breaker: Breaker) -> None:
    """Let one operation fail that bypasses the breaker."""
    with pytest.raises(CacheUnavailable), breaker.guard(bypass=True):
        raise CacheUnavailable("refused again")


def opened(clock: StillClock, ask_for_proof: Callable[[], object] = lambda: None) -> Breaker:
    """Return a breaker that has just opened."""
    breaker = Breaker(ask_for_proof)
    for _ in range(FAILURES_TO_OPEN):
        fail(breaker)
    return breaker


def test_it_lets_everything_through_at_first(clock: StillClock) -> None:
    with Breaker().guard():
        pass


def test_it_opens_after_failures_in_a_row(clock: StillClock) -> None:
    breaker = opened(clock)

    with pytest.raises(BreakerOpen), breaker.guard():
        pytest.fail("the operation was tried")


def test_a_success_in_between_starts_the_count_again(clock: StillClock) -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        fail(breaker)
    with breaker.guard():
        pass

    fail(breaker)

    with breaker.guard():
        pass


def test_slow_calls_count_as_failures(clock: StillClock) -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        with breaker.guard():
            clock.now += 0.2

    with pytest.raises(BreakerOpen), breaker.guard():
        pytest.fail("the operation was tried")


def test_a_call_that_waited_and_failed_opens_it_at_once(clock: StillClock) -> None:
    breaker = Breaker()
    hang(breaker, clock)

    with pytest.raises(BreakerOpen), breaker.guard():
        pytest.fail("the operation was tried")


def test_an_answer_that_goes_for_everything_opens_it_at_once(clock: StillClock) -> None:
    breaker = Breaker()
    with pytest.raises(CommandRefused), breaker.guard():
        raise CommandRefused("READONLY", "READONLY You can't write against a read only replica.")

    assert breaker.is_open


def test_an_answer_about_one_key_is_a_failure_like_any_other(clock: StillClock) -> None:
    breaker = Breaker()
    with pytest.raises(CommandRefused), breaker.guard():
        raise CommandRefused("WRONGTYPE", "WRONGTYPE Operation against a key holding the wrong kind of value")

    assert not breaker.is_open


def test_however_often_a_full_server_refuses_to_store_it_is_trusted(clock: StillClock) -> None:
    breaker = Breaker()
    for _ in range(10):
        with pytest.raises(CommandRefused), breaker.guard():
            raise CommandRefused("OOM", "OOM command not allowed when used memory > 'maxmemory'.")

    assert not breaker.is_open


def test_a_write_that_is_refused_opens_it_at_once_whatever_the_reason(clock: StillClock) -> None:
    breaker = Breaker()
    with pytest.raises(CommandRefused), breaker.guard(proves=True):
        raise CommandRefused("OOM", "OOM command not allowed when used memory > 'maxmemory'.")

    assert breaker.is_open


def test_it_asks_for_a_proof_now_and_then_and_lets_nobody_wait_for_it(clock: StillClock) -> None:
    asked: list[float] = []
    breaker = opened(clock, lambda: asked.append(clock.now))
    for _ in range(5):
        with pytest.raises(BreakerOpen), breaker.guard():
            pytest.fail("the operation was tried")
        clock.now += OPEN_SECONDS / 2

    assert [round(at - asked[0], 3) for at in asked] == [0, OPEN_SECONDS]


def test_a_read_does_not_close_it(clock: StillClock) -> None:
    breaker = opened(clock)
    with breaker.guard(bypass=True):
        pass

    assert breaker.is_open


def test_a_write_that_fails_keeps_it_open(clock: StillClock) -> None:
    breaker = opened(clock)
    with pytest.raises(CacheUnavailable), breaker.guard(bypass=True, proves=True):
        raise CacheUnavailable("refused")

    assert breaker.is_open


def test_a_slow_write_keeps_it_open(clock: StillClock) -> None:
    breaker = opened(clock)
    with breaker.guard(bypass=True, proves=True):
        clock.now += 0.2

    assert breaker.is_open


def test_each_change_is_logged_once_with_how_long_it_was_open(clock: StillClock) -> None:
    with capture_logs() as logs:
        breaker = opened(clock)
        fail_though_open(breaker)
        clock.now += 7
        for _ in range(2):
            with breaker.guard(bypass=True, proves=True):
                pass

    assert [(log["event"], log.get("seconds")) for log in logs] == [
        ("procedure_cache_breaker_opened", None),
        ("procedure_cache_breaker_closed", 7),
    ]
    assert logs[0]["error"] == "refused"


def test_operations_that_bypass_it_and_fail_keep_no_proof_out(clock: StillClock) -> None:
    proofs: list[float] = []
    breaker = Breaker(lambda: proofs.append(clock.now))
    for _ in range(10):
        with suppress(CacheUnavailable):
            hang_on_a_bypass(breaker, clock)
        clock.now += OPEN_SECONDS * 0.8
        with suppress(BreakerOpen):
            breaker.enter()

    assert len(proofs) >= 4


def test_a_write_is_tried_though_it_is_open_and_closes_it(clock: StillClock) -> None:
    breaker = opened(clock)
    with breaker.guard(bypass=True, proves=True):
        pass

    with breaker.guard():
        pass
