"""Leases, bumps and claims in a real Redis."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from pytest_django import Settings
from redis import Redis

from procedures.caches import PROCEDURE_LIST
from tests.processes import eventually
from versioned_cache import breaker, configuration, connection
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.servers import THE_ONLY_ONE, servers_of
from versioned_cache.store import Store

COUNTER = PROCEDURE_LIST.counter_key
SHAPE = "0123abcd"
LEASE_MS = 60_000  # so long that no test is late by chance


@pytest.fixture(autouse=True)
def long_lease(settings: Settings) -> None:
    settings.CACHE_LEASE_MS = LEASE_MS


def expiry_of_counter(redis: Redis) -> int:
    """Return when the counter expires, in milliseconds of Redis's clock."""
    return redis.pexpiretime(COUNTER)


def test_a_version_that_nobody_leased_is_absent(store: Store) -> None:
    assert store.counter(PROCEDURE_LIST) is None


def test_the_clock_is_that_of_redis(store: Store, redis: Redis) -> None:
    before, _ = redis.time()

    clock_ms = store.clock_ms(PROCEDURE_LIST)

    assert before * 1000 <= clock_ms <= (redis.time()[0] + 1) * 1000


@pytest.mark.parametrize("bypass_breaker", [True, False])
def test_a_bump_creates_the_counter_and_lends_it_for_a_lease(store: Store, redis: Redis, bypass_breaker: bool) -> None:
    asked_at_ms = store.clock_ms(PROCEDURE_LIST, bypass_breaker=bypass_breaker)

    assert store.bump({PROCEDURE_LIST: 8}, asked_at_ms, bypass_breaker=bypass_breaker)

    assert redis.get(COUNTER) == b"8"
    assert expiry_of_counter(redis) == asked_at_ms + LEASE_MS
    assert store.counter(PROCEDURE_LIST) == 8


@pytest.mark.parametrize(("held", "bumped_to", "after"), [(7, 8, b"8"), (7, 12, b"12"), (9, 8, b"9"), (8, 8, b"8")])
def test_a_bump_brings_the_counter_up_and_never_down(
    store: Store, redis: Redis, held: int, bumped_to: int, after: bytes
) -> None:
    asked_at_ms = store.clock_ms(PROCEDURE_LIST)
    store.bump({PROCEDURE_LIST: held}, asked_at_ms, bypass_breaker=False)

    store.bump({PROCEDURE_LIST: bumped_to}, asked_at_ms, bypass_breaker=False)

    assert redis.get(COUNTER) == after


def test_a_bump_keeps_numbers_of_thirteen_digits_exact(store: Store, redis: Redis) -> None:
    asked_at_ms = store.clock_ms(PROCEDURE_LIST)
    store.bump({PROCEDURE_LIST: 1795423410473}, asked_at_ms, bypass_breaker=False)

    store.bump({PROCEDURE_LIST: 1795423410474}, asked_at_ms, bypass_breaker=False)

    assert redis.get(COUNTER) == b"1795423410474"


@pytest.mark.parametrize("bumped_to", [7, 8, 12])
def test_a_bump_lets_the_lease_grow_though_the_value_may_not(store: Store, redis: Redis, bumped_to: int) -> None:
    asked_at_ms = store.clock_ms(PROCEDURE_LIST)
    redis.set(COUNTER, 7, pxat=asked_at_ms + 1000)

    store.bump({PROCEDURE_LIST: bumped_to}, asked_at_ms, bypass_breaker=False)

    assert expiry_of_counter(redis) == asked_at_ms + LEASE_MS


def test_a_bump_to_an_older_version_leaves_the_lease_as_it_is(store: Store, redis: Redis) -> None:
    asked_at_ms = store.clock_ms(PROCEDURE_LIST)
    redis.set(COUNTER, 7, pxat=asked_at_ms + LEASE_MS // 2)

    assert store.bump({PROCEDURE_LIST: 6}, asked_at_ms, bypass_breaker=False)

    assert expiry_of_counter(redis) == asked_at_ms + LEASE_MS // 2


@pytest.mark.parametrize("bumped_to", [8, 12])
def test_a_bump_never_shortens_a_lease(store: Store, redis: Redis, bumped_to: int) -> None:
    asked_at_ms = store.clock_ms(PROCEDURE_LIST)
    redis.set(COUNTER, 7, pxat=asked_at_ms + LEASE_MS + 1000)

    store.bump({PROCEDURE_LIST: bumped_to}, asked_at_ms, bypass_breaker=False)

    assert expiry_of_counter(redis) == asked_at_ms + LEASE_MS + 1000


def test_whoever_comes_half_a_lease_late_is_refused(store: Store, redis: Redis) -> None:
    late_ms = store.clock_ms(PROCEDURE_LIST) - LEASE_MS // 2

    assert not store.bump({PROCEDURE_LIST: 8}, late_ms, bypass_breaker=False)

    assert redis.exists(COUNTER) == 0


def test_whoever_comes_a_little_earlier_than_half_a_lease_is_not_refused(store: Store) -> None:
    nearly_late_ms = store.clock_ms(PROCEDURE_LIST) - LEASE_MS // 2 + 10_000

    assert store.bump({PROCEDURE_LIST: 8}, nearly_late_ms, bypass_breaker=False)


@pytest.mark.parametrize("held", [7, 8, 9_999_999_999_999, "nonsense", ""])
def test_a_bump_replaces_what_would_be_believed_for_ever(store: Store, redis: Redis, held: int | str) -> None:
    redis.set(COUNTER, held)
    asked_at_ms = store.clock_ms(PROCEDURE_LIST)

    store.bump({PROCEDURE_LIST: 8}, asked_at_ms, bypass_breaker=False)

    assert redis.get(COUNTER) == b"8"
    assert expiry_of_counter(redis) == asked_at_ms + LEASE_MS


def test_a_bump_replaces_what_is_not_a_number_though_it_expires(store: Store, redis: Redis) -> None:
    redis.set(COUNTER, "nonsense", px=10_000)

    store.bump({PROCEDURE_LIST: 8}, store.clock_ms(PROCEDURE_LIST), bypass_breaker=False)

    assert redis.get(COUNTER) == b"8"


@pytest.mark.parametrize("held", ["nonsense", "0", "-1", ""])
def test_a_counter_that_is_no_version_counts_as_absent(store: Store, redis: Redis, held: str) -> None:
    redis.set(COUNTER, held)

    assert store.counter(PROCEDURE_LIST) is None


def test_a_lease_that_never_ends_is_shown(store: Store, redis: Redis) -> None:
    redis.set(COUNTER, 7)

    assert store.lease_left_ms(PROCEDURE_LIST) == math.inf


def test_where_no_thread_is_to_be_had_to_connect_redis_is_unusable(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process ends, or may have no more threads."""
    ended = ThreadPoolExecutor(1)
    ended.shutdown()
    monkeypatch.setattr(connection, "background", lambda: ended)

    with pytest.raises(CacheUnavailable):
        store.counter(PROCEDURE_LIST)


def test_connections_to_all_servers_that_were_left_are_closed(store: Store) -> None:
    """As when the nodes of a cluster were replaced, some of which have no successor of their name."""
    made: list[Any] = []
    connections = connection.ThreadConnections()

    def new_connection(_server: str) -> Any:
        made.append(servers_of(settings.CACHES[configuration.READS]).new_connection(THE_ONLY_ONE))
        return made[-1]

    for server, generation in [("one", 0), ("other", 0), ("one", 1)]:
        connections.get(COUNTER, server, generation, new_connection)

    assert [one.is_connected for one in made] == [False, False, True]


def test_a_mistake_of_ours_in_a_proof_is_logged(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 0.0)
    store.when_proof_is_due = lambda: 1 / 0
    store.breaker.distrust(CacheUnavailable("it was demoted"))

    with pytest.raises(CacheUnavailable):
        store.counter(PROCEDURE_LIST)

    eventually(lambda: "ZeroDivisionError" in caplog.text)
