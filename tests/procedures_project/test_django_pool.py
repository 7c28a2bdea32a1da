"""The threads of Django: so many at a time, a bounded wait for one, and connections that are good."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import pytest
from django.db import OperationalError, connection

from procedures_project.django_pool import DjangoPool, PoolExhausted, Slots, WholeAnswer
from procedures_project.postgresql.waiting import ARRIVED_AT

Result = TypeVar("Result")
LONG = 30.0


def application(environ: dict[str, Any], start_response: Callable[..., Callable[[bytes], object]]) -> Iterable[bytes]:
    """Answer in all the ways that a WSGI application may."""
    write = start_response("200 OK", [("X-Path", environ["PATH_INFO"]), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    write(b"one ")
    return iter([b"two ", b"three"])


def with_pool(
    play: Callable[[DjangoPool], Coroutine[Any, Any, Result]], threads: int = 1, queue: int = 1, seconds: float = LONG
) -> Result:
    """Return what comes of `play` in an event loop, with a pool of its own."""

    async def run() -> Result:
        pool = DjangoPool(application, threads, queue, seconds)
        try:
            return await play(pool)
        finally:
            await pool.close()

    return asyncio.run(run())


def asked(pool: DjangoPool, function: Callable[[], Result]) -> Coroutine[Any, Any, Result]:
    """Ask for a request that is there now."""
    return pool.ask(function, time.monotonic())


async def taken(pool: DjangoPool, release: threading.Event) -> asyncio.Task[bool]:
    """Take a thread until the event is set, and return when it is taken."""
    begun = threading.Event()

    def hold() -> bool:
        begun.set()
        return release.wait(LONG)

    task = asyncio.ensure_future(asked(pool, hold))
    await asyncio.to_thread(begun.wait, LONG)
    return task


def test_an_answer_is_whole_and_keeps_headers_that_stand_there_twice() -> None:
    environ = {"PATH_INFO": "/here", ARRIVED_AT: time.monotonic()}

    answer = with_pool(lambda pool: pool.answer(environ))

    headers = [(b"x-path", b"/here"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert answer == WholeAnswer(200, headers, [b"one ", b"two ", b"three"])


def test_a_request_that_finds_the_queue_full_is_refused_at_once() -> None:
    async def play(pool: DjangoPool) -> None:
        release = threading.Event()
        first = await taken(pool, release)
        second = asyncio.ensure_future(asked(pool, lambda: "second"))
        await asyncio.sleep(0)
        with pytest.raises(PoolExhausted):
            await asked(pool, lambda: "third")
        release.set()
        assert (await first, await second) == (True, "second")

    with_pool(play, queue=1)


def test_a_request_that_waits_too_long_is_refused_and_leaves_its_place() -> None:
    async def play(pool: DjangoPool) -> None:
        release = threading.Event()
        first = await taken(pool, release)
        for _ in range(3):
            with pytest.raises(PoolExhausted):
                await asked(pool, lambda: "late")
        release.set()
        await first
        assert await asked(pool, lambda: "in time") == "in time"

    with_pool(play, queue=1, seconds=0.02)


def test_a_request_that_has_waited_elsewhere_does_not_wait_again() -> None:
    async def play(pool: DjangoPool) -> None:
        release = threading.Event()
        first = await taken(pool, release)
        with pytest.raises(PoolExhausted):
            await pool.ask(lambda: "late", time.monotonic() - LONG)
        release.set()
        await first
        assert await pool.ask(lambda: "a thread is free", time.monotonic() - LONG) == "a thread is free"

    with_pool(play)


def test_a_thread_is_taken_until_it_is_done_though_whoever_asked_is_gone() -> None:
    async def play(pool: DjangoPool) -> None:
        release = threading.Event()
        gone = await taken(pool, release)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        waiting = asyncio.ensure_future(asked(pool, threading.active_count))
        await asyncio.sleep(0)
        assert not waiting.done()
        release.set()
        await waiting

    with_pool(play)


def test_a_slot_is_given_back_after_a_failure() -> None:
    async def play() -> None:
        slots = Slots(1, 0, LONG)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                async with slots.one(time.monotonic()):
                    1 / 0  # noqa: B018

    asyncio.run(play())


def terminate_others() -> int:
    """End every other connection to the database, and return how many there were."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def backend() -> int:
    """Return the number of this thread's process of PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_postgresql_has_ended_is_made_anew() -> None:
    async def play(pool: DjangoPool) -> tuple[int, int, int]:
        first = await asked(pool, backend)
        same = await asked(pool, backend)
        assert await asyncio.to_thread(in_a_thread_of_its_own, terminate_others) > 0
        return first, same, await asked(pool, backend)

    first, same, after = with_pool(play)
    connection.close()  # it was ended too

    assert first == same != after


@pytest.mark.django_db(transaction=True)
def test_there_is_no_patience_left_for_a_request_that_came_long_ago() -> None:
    async def play(pool: DjangoPool) -> None:
        with pytest.raises(OperationalError, match="has not answered in time"):
            await pool.ask(lambda: sleep_in_postgresql(1), time.monotonic() - LONG)

    with_pool(play)


def sleep_in_postgresql(seconds: float) -> None:
    """Make a statement that takes long."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def in_a_thread_of_its_own(function: Callable[[], Result]) -> Result:
    """Call a function, and leave no connection behind."""
    try:
        return function()
    finally:
        connection.close()
