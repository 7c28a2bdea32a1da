"""The one question that every read asks, asked from an event loop for all the reads that wait.

Note [Shared questions]. A read that finds no question under way asks at once. Those that come while one is share the
next, which goes out at the end of their turn of the loop: it is asked after each of them arrived, and so its answer is
as fresh as each needs. A read never takes an answer that was under way when it came, since that was asked before.
Questions do not wait for one another's answers: Redis answers them in their order (RESP pipelining).

The connection is made by redis-py, in a thread, as the settings say: TLS, passwords, Sentinel. From then on the loop
reads and writes its socket, which costs a tenth of what redis-py's own asynchronous connection does.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import hiredis

from versioned_cache.breaker import Breaker, CacheUnavailable
from versioned_cache.configuration import READ_TIMEOUT_SECONDS
from versioned_cache.connection import get_command

PIECE_BYTES = 65_536

Waiter = asyncio.Future[bytes | None]


class _Question:
    """Some keys that are asked for at once, each with those who wait for it, and when they went out."""

    __slots__ = ("asked_at", "unanswered", "waiters")

    def __init__(self, waiters: dict[str, list[Waiter]]) -> None:
        self.waiters = waiters
        self.unanswered = deque(waiters)
        self.asked_at = time.monotonic()


class CounterPipeline:
    """Reads counters over one connection, for one event loop.

    Args:
        connect: Makes a connection of redis-py and connects it; it is called in a thread.
        breaker: What the process has learned of Redis.
    """

    def __init__(self, connect: Callable[[], Any], breaker: Breaker) -> None:
        self._loop = asyncio.get_running_loop()
        self._connect = connect
        self._breaker = breaker
        self._connection: Any = None
        self._connecting: asyncio.Task[None] | None = None
        self._reader = hiredis.Reader()
        self._waiting: dict[str, list[Waiter]] = {}
        self._under_way: deque[_Question] = deque()
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    async def get(self, key: str) -> bytes | None:
        """Return the text under a key, or None, as Redis has it after the call.

        Raises:
            CacheUnavailable: Redis is unusable, or has not answered within 100 ms.
        """
        self._breaker.enter()
        waiter: Waiter = self._loop.create_future()
        is_first = not self._waiting
        self._waiting.setdefault(key, []).append(waiter)
        if is_first and not self._under_way:
            self._ask()
        elif is_first:
            self._loop.call_soon(self._ask)
        return await waiter

    def close(self) -> None:
        """Give up the connection; whoever waits is told."""
        if self._connecting is not None:
            self._connecting.cancel()
        self._give_up("closed")
        _tell(_all(self._take_waiting()), "closed")

    def _ask(self) -> None:
        """Send one question for all who wait; without a connection, once there is one."""
        if not self._waiting:  # they were told meanwhile; an empty question would never be answered
            return
        if self._connection is None:
            self._connecting = self._connecting or self._loop.create_task(self._open())
            return
        question = _Question(self._take_waiting())
        self._under_way.append(question)
        if self._deadline is None:
            self._deadline = self._loop.call_later(READ_TIMEOUT_SECONDS, self._look_at_deadline)
        command = b"".join(map(get_command, question.waiters))
        try:
            sent = self._connection._sock.send(command)
        except OSError as error:
            self._give_up(f"{type(error).__name__}: {error}")
            return
        if sent < len(command):
            self._give_up("it does not take what it is sent")

    async def _open(self) -> None:
        """Connect, and ask for those who came meanwhile."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(READ_TIMEOUT_SECONDS):
                self._connection = await asyncio.to_thread(self._connect)
        except Exception as error:  # noqa: BLE001  # whatever the driver, a resolver or TLS may raise
            self._fail(_all(self._take_waiting()), started, f"{type(error).__name__}: {error}")
            return
        finally:
            self._connecting = None
        self._reader = hiredis.Reader()
        self._connection._sock.setblocking(False)
        self._loop.add_reader(self._connection._sock.fileno(), self._read)
        self._ask()

    def _read(self) -> None:
        """Take what has arrived, and answer those who waited for it."""
        try:
            piece = self._connection._sock.recv(PIECE_BYTES)
            if not piece:
                raise ConnectionError("it has closed the connection")
            self._reader.feed(piece)
            while (reply := self._reader.gets()) is not False:
                self._answer(reply)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except (OSError, hiredis.HiredisError, LookupError) as error:
            self._give_up(f"{type(error).__name__}: {error}")

    def _answer(self, reply: Any) -> None:
        """Give the reply to those who wait for the next key of the oldest question."""
        if isinstance(reply, Exception):
            raise reply
        question = self._under_way[0]
        for waiter in question.waiters[question.unanswered.popleft()]:
            if not waiter.done():
                waiter.set_result(reply)
        if not question.unanswered:
            self._under_way.popleft()
            self._breaker.learn(time.monotonic() - question.asked_at)

    def _look_at_deadline(self) -> None:
        """Give up when the oldest question was asked too long ago; else look again when it will have been."""
        self._deadline = None
        if not self._under_way:
            return
        remaining = self._under_way[0].asked_at + READ_TIMEOUT_SECONDS - time.monotonic()
        if remaining > 0:
            self._deadline = self._loop.call_later(remaining, self._look_at_deadline)
        else:
            self._give_up("TimeoutError: the answer is not complete in time")

    def _give_up(self, why: str) -> None:
        """Drop the connection; whoever waits for an answer gets none."""
        if self._connection is not None:
            self._loop.remove_reader(self._connection._sock.fileno())
            self._connection.disconnect()
            self._connection = None
        if self._under_way:
            asked_at = self._under_way[0].asked_at
            waiters = [waiter for question in self._under_way for waiter in _all(question.waiters)]
            self._under_way.clear()
            self._fail([*waiters, *_all(self._take_waiting())], asked_at, why)

    def _fail(self, waiters: Iterable[Waiter], since: float, why: str) -> None:
        self._breaker.learn(time.monotonic() - since, CacheUnavailable(why))
        _tell(waiters, why)

    def _take_waiting(self) -> dict[str, list[Waiter]]:
        waiting, self._waiting = self._waiting, {}
        return waiting


def _all(waiters: dict[str, list[Waiter]]) -> list[Waiter]:
    return [waiter for each in waiters.values() for waiter in each]


def _tell(waiters: Iterable[Waiter], why: str) -> None:
    """Tell those who wait that they get no answer."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(CacheUnavailable(why))
