"""Counters read from an event loop: reads that wait together share a question, and nobody waits for long."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from pytest_django import Settings
from redis import Redis

from procedures.caches import procedure_resource
from tests.faults.test_redis_errors import FAULTS, redis_at, server
from versioned_cache.breaker import BreakerOpen, CacheUnavailable
from versioned_cache.counter_pipeline import CounterPipeline
from versioned_cache.servers import THE_ONLY_ONE
from versioned_cache.store import Store

Result = TypeVar("Result")
KEYS = [f"test:{number}" for number in range(8)]


def with_pipeline(play: Callable[[CounterPipeline], Awaitable[Result]], store: Store) -> Result:
    """Return what comes of `play` in an event loop, over a pipeline of its own."""

    async def run() -> Result:
        pipeline = CounterPipeline(store, THE_ONLY_ONE)
        try:
            return await play(pipeline)
        finally:
            pipeline.close()

    return asyncio.run(run())


def gets_of(redis: Redis) -> int:
    """Return how many GETs the server has executed."""
    return int(redis.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"])


async def all_of(pipeline: CounterPipeline, keys: list[str]) -> list[Any]:
    """Ask for all keys in one turn of the loop, and return the answers or the errors."""
    return await asyncio.gather(*(pipeline.get(key) for key in keys), return_exceptions=True)


def test_each_read_is_given_what_is_under_its_key(store: Store, redis: Redis) -> None:
    redis.mset({key: key.upper() for key in KEYS[:6]})

    answers = with_pipeline(lambda pipeline: all_of(pipeline, KEYS), store)

    assert answers == [key.upper().encode() for key in KEYS[:6]] + [None, None]


def test_reads_of_one_key_that_wait_together_share_a_question(store: Store, redis: Redis) -> None:
    redis.set(KEYS[0], "7")
    before = gets_of(redis)

    answers = with_pipeline(lambda pipeline: all_of(pipeline, [KEYS[0]] * 64), store)

    assert answers == [b"7"] * 64
    assert gets_of(redis) == before + 1


def test_a_connection_that_was_made_ahead_serves_the_first_read(store: Store, redis: Redis) -> None:
    async def play(pipeline: CounterPipeline) -> tuple[int, bool, int]:
        before = int(redis.info("stats")["total_connections_received"])
        pipeline.connect_ahead()
        pipeline.connect_ahead()
        while not pipeline.is_connected:
            await asyncio.sleep(0)
        is_idle = gets_of(redis) == 0
        await pipeline.get(KEYS[0])
        return before, is_idle, int(redis.info("stats")["total_connections_received"])

    redis.config_resetstat()
    before, is_idle, after = with_pipeline(play, store)

    assert (after - before, is_idle) == (1, True)


def test_a_read_that_comes_later_asks_again(store: Store, redis: Redis) -> None:
    redis.set(KEYS[0], "7")

    async def play(pipeline: CounterPipeline) -> list[bytes | None]:
        first = await pipeline.get(KEYS[0])
        redis.set(KEYS[0], "8")
        return [first, await pipeline.get(KEYS[0])]

    assert with_pipeline(play, store) == [b"7", b"8"]


def test_whoever_is_gone_leaves_the_others_their_answer(store: Store, redis: Redis) -> None:
    redis.set(KEYS[0], "7")

    async def play(pipeline: CounterPipeline) -> bytes | None:
        gone = asyncio.ensure_future(pipeline.get(KEYS[0]))
        stays = asyncio.ensure_future(pipeline.get(KEYS[0]))
        await asyncio.sleep(0)
        gone.cancel()
        return await stays

    assert with_pipeline(play, store) == b"7"


def test_a_connection_that_the_server_has_closed_is_made_anew(store: Store, redis: Redis) -> None:
    redis.set(KEYS[0], "7")

    async def play(pipeline: CounterPipeline) -> list[bytes | None]:
        first = await pipeline.get(KEYS[0])
        redis.client_kill_filter(_type="normal", skipme=True)
        while pipeline.is_connected:
            await asyncio.sleep(0)
        return [first, await pipeline.get(KEYS[0])]

    assert with_pipeline(play, store) == [b"7", b"7"]


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_all_who_wait_for_a_server_that_does_not_answer_are_told(fault: str, settings: Settings, redis: object) -> None:
    with server(FAULTS[fault]) as url, redis_at(url, settings) as cache:
        answers = with_pipeline(lambda pipeline: all_of(pipeline, KEYS), cache.store)

    assert {type(answer) for answer in answers} == {CacheUnavailable}


def test_what_the_loop_has_waited_for_in_vain_no_thread_waits_for(settings: Settings, redis: object) -> None:
    with server(FAULTS["hang"]) as url, redis_at(url, settings) as cache:
        with_pipeline(lambda pipeline: all_of(pipeline, KEYS[:1]), cache.store)

        with pytest.raises(BreakerOpen):
            cache.store.counter(procedure_resource("gibson"))


def test_while_the_breaker_is_open_nobody_asks(settings: Settings, redis: object) -> None:
    async def play(pipeline: CounterPipeline) -> list[Any]:
        await all_of(pipeline, KEYS[:1])
        return await all_of(pipeline, KEYS)

    with server(FAULTS["hang"]) as url, redis_at(url, settings) as cache:
        answers = with_pipeline(play, cache.store)

    assert {type(answer) for answer in answers} == {BreakerOpen}


def test_whoever_waits_for_a_connection_is_told_when_there_will_be_none(store: Store, redis: Redis) -> None:
    async def play(pipeline: CounterPipeline) -> list[Any]:
        asking = asyncio.ensure_future(all_of(pipeline, KEYS[:1]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not pipeline.is_connected
        pipeline.close()
        return await asking

    assert [type(answer) for answer in with_pipeline(play, store)] == [CacheUnavailable]


def test_a_turn_in_which_nobody_waits_any_more_asks_nothing(store: Store, redis: Redis) -> None:
    redis.set(KEYS[0], "7")

    async def play(pipeline: CounterPipeline) -> list[bytes | None]:
        first = await pipeline.get(KEYS[0])
        pipeline._ask()
        return [first, await pipeline.get(KEYS[0])]

    assert with_pipeline(play, store) == [b"7", b"7"]
