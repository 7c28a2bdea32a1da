"""Django behind the gate: a bounded number of threads, and a bounded wait for one of them.

A thread only ever waits for PostgreSQL and Redis: it gets whole request bodies, and gives back whole answers.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from wsgiref.types import WSGIApplication

from django.db import close_old_connections, connections

from procedures_project.postgresql.waiting import ARRIVED_AT, REQUEST_PATIENCE_SECONDS, patience

Result = TypeVar("Result")
Headers = list[tuple[bytes, bytes]]


class PoolExhausted(Exception):
    """No thread became free in time, or too many wait already; nothing was done."""


@dataclass(slots=True)
class WholeAnswer:
    """An answer as a WSGI application gives it, whole; also its `start_response` (PEP 3333).

    Attributes:
        headers: As ASGI has them, their names in lower case.
        segments: The body in pieces.
    """

    status: int = 0
    headers: Headers = field(default_factory=list)
    segments: list[bytes] = field(default_factory=list)

    def __call__(self, status: str, headers: list[tuple[str, str]], _error: Any = None, /) -> Callable[[bytes], object]:
        self.status = int(status.split(maxsplit=1)[0])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return self._write

    def _write(self, data: bytes) -> None:
        self.segments.append(data)


class Slots:
    """A bounded number at a time, and a bounded wait for those who come next. For one event loop.

    Args:
        count: How many at a time.
        queue_length: How many more may wait.
        wait_seconds: How long each may wait, from when its request arrived.

    Attributes:
        waiting: How many wait now.
        taken: How many have a slot now.
    """

    def __init__(self, count: int, queue_length: int, wait_seconds: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._queue_length = queue_length
        self._wait_seconds = wait_seconds
        self.waiting = 0
        self.taken = 0

    async def take(self, since: float) -> None:
        """Wait for a slot; the caller then owes a `release`.

        Args:
            since: When the request arrived, by `time.monotonic`. Time that it has already waited elsewhere counts.

        Raises:
            PoolExhausted: no slot became free in time.
        """
        if self._free.locked() and self.waiting >= self._queue_length:
            raise PoolExhausted
        self.waiting += 1
        try:
            async with asyncio.timeout(since + self._wait_seconds - time.monotonic()):
                await self._free.acquire()
        except TimeoutError:
            raise PoolExhausted from None
        finally:
            self.waiting -= 1
        self.taken += 1

    def release(self) -> None:
        """Give the slot to the next in the queue."""
        self.taken -= 1
        self._free.release()

    @asynccontextmanager
    async def one(self, since: float) -> AsyncIterator[None]:
        """Hold a slot inside the block; see `take`."""
        await self.take(since)
        try:
            yield
        finally:
            self.release()


class DjangoPool:
    """Calls a WSGI application in threads. For one event loop.

    Args:
        application: The application.
        threads: How many requests are in it at once; each may hold a connection to PostgreSQL.
        queue_length: How many more may wait for a thread.
        wait_seconds: How long each may wait.
    """

    def __init__(self, application: WSGIApplication, threads: int, queue_length: int, wait_seconds: float) -> None:
        self._application = application
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="django")
        self._slots = Slots(threads, queue_length, wait_seconds)

    @property
    def busy(self) -> int:
        """How many threads have a request."""
        return self._slots.taken

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return self._slots.waiting

    async def answer(self, environ: dict[str, Any]) -> WholeAnswer:
        """Return the application's answer to a request.

        Raises:
            PoolExhausted: no thread became free in time; nothing was done.
        """
        return await self._run(lambda: _called(self._application, environ), environ[ARRIVED_AT])

    async def ask(self, function: Callable[[], Result], since: float) -> Result:
        """Return what a function finds out in PostgreSQL, in one of the threads, within the time of its request.

        Args:
            function: What to call.
            since: When the request arrived, by `time.monotonic`.

        Raises:
            PoolExhausted: no thread became free in time.
        """
        return await self._run(lambda: _asked(function, since), since)

    async def _run(self, function: Callable[[], Result], since: float) -> Result:
        await self._slots.take(since)
        called = asyncio.get_running_loop().run_in_executor(self._executor, function)
        # The client may be gone by then; the thread is busy until the call is done.
        called.add_done_callback(lambda _called: self._slots.release())
        return await asyncio.shield(called)

    async def close(self) -> None:
        """Let the threads finish what they are doing, close their connections, and end them."""
        loop = asyncio.get_running_loop()
        together = threading.Barrier(self._threads)  # so that every thread takes one of these calls
        closing = [loop.run_in_executor(self._executor, _close_connections, together) for _ in range(self._threads)]
        await asyncio.gather(*closing)
        self._executor.shutdown()


def _close_connections(together: threading.Barrier) -> None:
    together.wait()
    connections.close_all()


def _asked(function: Callable[[], Result], since: float) -> Result:
    # As Django does around a request: connections that are broken or too old are replaced.
    close_old_connections()
    try:
        with patience(REQUEST_PATIENCE_SECONDS, since):
            return function()
    finally:
        close_old_connections()


def _called(application: WSGIApplication, environ: dict[str, Any]) -> WholeAnswer:
    answer = WholeAnswer()
    # The time in the queue counts.
    with patience(REQUEST_PATIENCE_SECONDS, since=environ[ARRIVED_AT]):
        response: Any = application(environ, answer)
        try:
            answer.segments += response
        finally:
            if hasattr(response, "close"):
                response.close()
    return answer
