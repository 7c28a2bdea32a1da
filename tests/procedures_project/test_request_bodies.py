"""Request bodies as they are collected: whole, within their limit, and within their time."""

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from procedures_project import request_bodies
from procedures_project.request_bodies import BodyBroken, BodyCollector, BodyTooSlow, collecting

LIMIT = 10
GONE = {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    """Return a piece of a body as ASGI has it."""
    return {"type": "http.request", "body": body, "more_body": more}


class Client:
    """Sends what it is told to, and then nothing."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.waiting: asyncio.Task[Any] | None = None
        for message in messages:
            self.queue.put_nowait(message)

    async def receive(self) -> dict[str, Any]:
        """Return the next message (ASGI)."""
        self.waiting = asyncio.current_task()
        return await self.queue.get()


def collected(play: Callable[[BodyCollector, Client], Coroutine[Any, Any, None]], *messages: dict[str, Any]) -> bytes:
    """Return what a collector has after `play`; nothing waits for the client any more."""

    async def run() -> bytes:
        client = Client(*messages)
        async with collecting(client.receive, LIMIT) as collector:
            await play(collector, client)
        assert client.waiting is not None
        await asyncio.wait([client.waiting])
        return collector.body

    return asyncio.run(run())


async def all_of_it(collector: BodyCollector, _client: Client) -> None:
    """Wait for the whole body."""
    await collector.collect()
    assert collector.is_complete


def test_a_body_in_pieces_is_put_together() -> None:
    assert collected(all_of_it, piece(b"ab"), piece(b""), piece(b"cd"), piece(b"e", more=False)) == b"abcde"


def test_a_body_of_exactly_the_limit_is_taken_whole() -> None:
    assert collected(all_of_it, piece(b"a" * LIMIT, more=False)) == b"a" * LIMIT


def test_of_a_body_that_is_too_long_there_is_one_byte_more_and_the_rest_is_not_waited_for() -> None:
    assert collected(all_of_it, piece(b"a" * LIMIT), piece(b"a" * 5)) == b"a" * (LIMIT + 1)


def test_what_came_too_late_for_a_first_look_is_part_of_the_body() -> None:
    async def play(collector: BodyCollector, client: Client) -> None:
        await collector.collect(0.01)
        assert not collector.is_complete
        client.queue.put_nowait(piece(b"b", more=False))
        await all_of_it(collector, client)

    assert collected(play, piece(b"a")) == b"ab"


def test_a_body_that_nobody_waits_for_any_more_keeps_nothing_waiting() -> None:
    async def play(collector: BodyCollector, _client: Client) -> None:
        await collector.collect(0.01)

    assert collected(play, piece(b"a")) == b"a"


def test_whoever_is_gone_has_sent_no_body() -> None:
    with pytest.raises(BodyBroken):
        collected(all_of_it, piece(b"a"), GONE)


def test_a_body_that_does_not_come_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_bodies, "PATIENCE_SECONDS", 0.01)

    with pytest.raises(BodyTooSlow):
        collected(all_of_it, piece(b"a"))


def test_a_timer_that_fires_early_does_not_make_a_piece_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = asyncio.wait
    early = iter([True])

    async def fire_early(tasks: Any, timeout: float) -> Any:
        return await wait(tasks, timeout=0 if next(early, False) else timeout)

    monkeypatch.setattr(
        request_bodies, "asyncio", SimpleNamespace(wait=fire_early, ensure_future=asyncio.ensure_future)
    )

    async def play(collector: BodyCollector, client: Client) -> None:
        asyncio.get_running_loop().call_later(0.01, client.queue.put_nowait, piece(b"whole", more=False))
        await all_of_it(collector, client)

    assert collected(play) == b"whole"


def test_bytes_that_came_earn_a_body_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_bodies, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(request_bodies, "LEAST_BYTES_PER_SECOND", 0.1)

    async def play(collector: BodyCollector, client: Client) -> None:
        await collector.collect(0.05)
        client.queue.put_nowait(piece(b"b", more=False))
        await all_of_it(collector, client)

    assert collected(play, piece(b"a")) == b"ab"
