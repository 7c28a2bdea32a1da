"""Quotas in windows, and the headers that report them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from rest import rate_limits
from rest.problems import too_many_requests
from rest.rate_limits import Exceeded, Policy, RateLimiter

TWO_A_MINUTE = Policy("reads", quota=2, window_seconds=60)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(TWO_A_MINUTE, clock)


def test_a_quota_can_be_used_up_and_no_further(limiter: RateLimiter) -> None:
    assert [limiter.take("a") for _ in range(4)] == [None, None, *[Exceeded(TWO_A_MINUTE, 60)] * 2]


def test_each_key_has_its_own_quota(limiter: RateLimiter) -> None:
    for _ in range(3):
        limiter.take("a")

    assert limiter.take("b") is None


def test_there_is_a_new_quota_when_the_window_ends_and_not_before(limiter: RateLimiter, clock: Clock) -> None:
    limiter.take("a")
    clock.now += 30
    limiter.take("a")

    clock.now += 10.5
    assert limiter.take("a") == Exceeded(TWO_A_MINUTE, seconds_left=20)
    clock.now += 19
    assert limiter.take("a") == Exceeded(TWO_A_MINUTE, seconds_left=1)
    clock.now += 0.5
    assert limiter.take("a") is None


def test_what_is_refused_does_not_prolong_the_window(limiter: RateLimiter, clock: Clock) -> None:
    for _ in range(60):
        limiter.take("a")
        clock.now += 1

    assert limiter.take("a") is None


def test_asking_whether_a_quota_is_used_up_uses_nothing(limiter: RateLimiter) -> None:
    assert [limiter.exceeded("a") for _ in range(3)] == [None] * 3
    assert [limiter.take("a") for _ in range(2)] == [None] * 2

    assert limiter.exceeded("a") == Exceeded(TWO_A_MINUTE, 60)


def test_the_memory_is_bounded_and_keeps_frequent_keys(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr(rate_limits, "MAX_KEYS", 3)
    limiter = RateLimiter(TWO_A_MINUTE, clock)
    for key in range(100):
        limiter.take("often")
        limiter.take(key)

    assert limiter.exceeded("often")
    assert sum(limiter.take(key) is None and limiter.take(key) is not None for key in range(98, 100)) == 2


def test_threads_together_get_no_more_than_the_quota(clock: Clock) -> None:
    limiter = RateLimiter(Policy("writes", quota=1_000), clock)
    with ThreadPoolExecutor(8) as threads:
        granted = list(threads.map(lambda _: limiter.take("a") is None, range(3_000)))

    assert sum(granted) == 1_000


def test_the_headers_give_the_policy_and_when_to_try_again() -> None:
    problem = too_many_requests("No more.", Exceeded(Policy("wrong-tokens", 60, 30), 7))

    assert problem.status == 429
    assert problem.headers == {
        "Retry-After": "7",
        "RateLimit-Policy": '"wrong-tokens";q=60;w=30',
        "RateLimit": '"wrong-tokens";r=0;t=7',
    }
