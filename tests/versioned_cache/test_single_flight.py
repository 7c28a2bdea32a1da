"""Waiting in an event loop for whoever is under way; how threads wait is played in tests/interleavings."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from typing import Any

import pytest

from versioned_cache.single_flight import LoopFlights

ENOUGH_SECONDS = 10.0


def in_a_loop(play: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Return a test that runs in an event loop."""

    @wraps(play)
    def run(**arguments: Any) -> None:
        asyncio.run(play(**arguments))

    return run


async def begun(waiting: Coroutine[None, None, bool]) -> asyncio.Task[bool]:
    """Return a task that has come as far as it comes."""
    task = asyncio.get_running_loop().create_task(waiting)
    await asyncio.sleep(0)
    return task


@in_a_loop
async def test_nobody_waits_where_nobody_is_under_way() -> None:
    flights = LoopFlights()
    with flights.one("another"):
        assert await flights.another_succeeded("list", ENOUGH_SECONDS) is False


@pytest.mark.parametrize("has_succeeded", [True, False])
@in_a_loop
async def test_a_request_that_waits_is_told_how_the_flight_ended(has_succeeded: bool) -> None:
    flights = LoopFlights()
    with flights.one("list") as flight:
        waiter = await begun(flights.another_succeeded("list", ENOUGH_SECONDS))
        assert not waiter.done()
        flight.has_succeeded = has_succeeded

    assert await waiter is has_succeeded


@in_a_loop
async def test_a_flight_that_ends_with_an_exception_holds_nobody_up() -> None:
    flights = LoopFlights()
    with suppress(ZeroDivisionError), flights.one("list"):
        waiter = await begun(flights.another_succeeded("list", ENOUGH_SECONDS))
        raise ZeroDivisionError

    assert await waiter is False
    assert await flights.another_succeeded("list", ENOUGH_SECONDS) is False


@in_a_loop
async def test_patience_ends() -> None:
    flights = LoopFlights()
    with flights.one("list") as flight:
        flight.has_succeeded = True
        assert await flights.another_succeeded("list", 0.0) is False


@in_a_loop
async def test_a_waiter_that_is_gone_disturbs_nobody() -> None:
    flights = LoopFlights()
    with flights.one("list") as flight:
        gone, waiter = [await begun(flights.another_succeeded("list", ENOUGH_SECONDS)) for _ in range(2)]
        gone.cancel()
        flight.has_succeeded = True

    assert await waiter is True
    assert gone.cancelled()


@in_a_loop
async def test_only_the_first_is_waited_for() -> None:
    flights = LoopFlights()
    with flights.one("list"):
        with flights.one("list") as second:
            waiter = await begun(flights.another_succeeded("list", ENOUGH_SECONDS))
            second.has_succeeded = True
        await asyncio.sleep(0)
        assert not waiter.done()
    assert await waiter is False
