"""The one question that every read asks, asked from an event loop for all the reads that wait.

Note [Shared questions]. A read that finds no question under way asks at once. Those that come while one is share the
next, which goes out at the end of their turn of the loop: it is asked after each of them arrived, and so its answer is
as fresh as each needs. A read never takes an answer that was under way when it came, since that was asked before.
Questions do not wait for one another's answers: Redis answers them in their order (RESP pipelining).

The connection is made by redis-py, in a thread, as the settings say: TLS, passwords, Sentinel. Reads do not wait for it
for longer than for an answer; it is still made, for those that come later. From then on the loop reads and writes its
socket, which costs a tenth of what redis-py's own asynchronous connection does.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Iterable
from typing import Any, Protocol

import hiredis

from versioned_cache.breaker import Breaker, CacheUnavailable, CommandRefused, unavailable
from versioned_cache.configuration import READ_TIMEOUT_SECONDS
from versioned_cache.connection import get_command
from versioned_cache.refusals import NO_TEXT, Scope

PIECE_BYTES = 65_536

Waiter = asyncio.Future[bytes | None]


class Servers(Protocol):
    """Where counters are."""

    @property
    def breaker(self) -> Breaker:
        """What the process has learned of them."""

    @property
    def generation(self) -> int:
        """How often the process has left them; a connection that was made before has to be made anew."""

    def connect(self, server: str) -> Any:
        """Return a connection of redis-py to one of them, connected; it is called in a thread."""

    def refused(self, text: str) -> CommandRefused:
        """Return what to raise for an error that one of them answers with."""


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
        servers: All servers.
        server: The name of the one that has these counters.
    """

    def __init__(self, servers: Servers, server: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._servers = servers
        self._server = server
        self._breaker = servers.breaker
        self._connection: Any = None
        self._generation = 0
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

    def connect_ahead(self) -> None:
        """Begin to connect, unless that is under way; whoever asks meanwhile waits for it."""
        self._connecting = self._connecting or self._loop.create_task(self._open())

    def close(self) -> None:
        """Give up the connection; whoever waits is told."""
        if self._connecting is not None:
            self._connecting.cancel()
        closed = CacheUnavailable("closed")
        self._give_up(closed)
        _tell(_all(self._take_waiting()), closed)

    def _ask(self) -> None:
        """Send one question for all who wait; without a connection, once there is one."""
        if not self._waiting:  # they were told meanwhile; an empty question would never be answered
            return
        if self._connection is not None and self._generation != self._servers.generation:
            self._leave()
        if self._connection is None:
            self.connect_ahead()
            return
        question = _Question(self._take_waiting())
        self._under_way.append(question)
        if self._deadline is None:
            self._deadline = self._loop.call_later(READ_TIMEOUT_SECONDS, self._look_at_deadline)
        command = b"".join(map(get_command, question.waiters))
        try:
            sent = self._connection._sock.send(command)
        except OSError as error:
            self._give_up(unavailable(error))
            return
        if sent < len(command):
            self._give_up(CacheUnavailable("it does not take what it is sent"))

    async def _open(self) -> None:
        """Connect, and ask for those who came meanwhile, unless they have waited for too long."""
        started, generation = time.monotonic(), self._servers.generation
        making = asyncio.ensure_future(asyncio.to_thread(self._servers.connect, self._server))
        try:
            await asyncio.wait({making}, timeout=READ_TIMEOUT_SECONDS)
            if not making.done():
                late = CacheUnavailable("the connection is not made in time; it is still being made")
                self._fail(_all(self._take_waiting()), started, late)
            connection = await making
        except CacheUnavailable as error:
            self._fail(_all(self._take_waiting()), started, error)
            return
        except Exception as error:  # noqa: BLE001  # whatever the driver may raise beyond its own
            self._fail(_all(self._take_waiting()), started, unavailable(error))
            return
        finally:
            self._connecting = None
        self._connection, self._generation, self._reader = connection, generation, hiredis.Reader()
        connection._sock.setblocking(False)
        self._loop.add_reader(connection._sock.fileno(), self._read)
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
        except CacheUnavailable as error:
            self._give_up(error)
        except (OSError, hiredis.HiredisError, LookupError) as error:
            self._give_up(unavailable(error))

    def _answer(self, reply: Any) -> None:
        """Give the reply to those who wait for the next key of the oldest question.

        Raises:
            CommandRefused: it is an error that goes for more than this key.
        """
        error = self._servers.refused(str(reply)) if isinstance(reply, hiredis.ReplyError) else None
        if error is not None and error.refusal.scope is not Scope.KEY:
            raise error
        if error is not None and error.code == NO_TEXT:
            error, reply = None, None  # what is there is no counter
        question = self._under_way[0]
        waiters = question.waiters[question.unanswered.popleft()]
        if error is not None:
            _tell(waiters, error)
        for waiter in waiters:
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
            self._give_up(CacheUnavailable("TimeoutError: the answer is not complete in time"))

    def _leave(self) -> None:
        """Drop the connection, since the servers were left; whoever waits for an answer over it gets none."""
        waiters = self._drop_connection()
        _tell(waiters, CacheUnavailable("the connection leads to a server that was left"))

    def _give_up(self, error: CacheUnavailable) -> None:
        """Drop the connection; whoever waits for an answer gets none."""
        asked_at = self._under_way[0].asked_at if self._under_way else None
        waiters = self._drop_connection()
        if asked_at is not None:
            self._fail([*waiters, *_all(self._take_waiting())], asked_at, error)

    def _drop_connection(self) -> list[Waiter]:
        """Close the connection, and return those who waited for answers over it."""
        if self._connection is not None:
            self._loop.remove_reader(self._connection._sock.fileno())
            self._connection.disconnect()
            self._connection = None
        waiters = [waiter for question in self._under_way for waiter in _all(question.waiters)]
        self._under_way.clear()
        return waiters

    def _fail(self, waiters: Iterable[Waiter], since: float, error: CacheUnavailable) -> None:
        self._breaker.learn(time.monotonic() - since, error)
        _tell(waiters, error)

    def _take_waiting(self) -> dict[str, list[Waiter]]:
        waiting, self._waiting = self._waiting, {}
        return waiting


def _all(waiters: dict[str, list[Waiter]]) -> list[Waiter]:
    return [waiter for each in waiters.values() for waiter in each]


def _tell(waiters: Iterable[Waiter], error: CacheUnavailable) -> None:
    """Tell those who wait that they get no answer."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)
