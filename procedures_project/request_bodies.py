"""Request bodies, collected before a thread is taken: within their limit, and within their time.

Whoever sends a byte a second holds nothing but a connection, and not for long.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

PATIENCE_SECONDS = 15.0
LEAST_BYTES_PER_SECOND = 32 * 1024  # what earns a long body more time than that

Receive = Callable[[], Awaitable[Any]]


class BodyTooSlow(Exception):
    """The body has not arrived in its time."""


class BodyBroken(Exception):
    """The body will never be complete: its client is gone, or it is not framed as HTTP says."""


class BodyCollector:
    """Collects the body of one request, in one go or in several.

    Args:
        receive: ASGI's, of the request.
        limit: How many bytes are taken; of a longer body there is one byte more, so that it is seen to be too long.
    """

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._started = time.monotonic()
        self._pieces: list[bytes] = []
        self._length = 0
        self._next: asyncio.Task[Any] | None = None
        self.is_complete = False

    @property
    def body(self) -> bytes:
        """What has arrived, cut where it is too long."""
        return b"".join(self._pieces)[: self._limit + 1]

    async def collect(self, seconds: float | None = None) -> None:
        """Wait for the rest of the body, or at most `seconds` for it; then it may not be complete.

        Raises:
            BodyTooSlow: it has not arrived in its time.
            BodyBroken: it never will.
        """
        ends_at = None if seconds is None else time.monotonic() + seconds
        while not self.is_complete:
            patience_ends_at = self._started + PATIENCE_SECONDS + self._length / LEAST_BYTES_PER_SECOND
            wait_until = patience_ends_at if ends_at is None else min(patience_ends_at, ends_at)
            if self._next is None:
                self._next = asyncio.ensure_future(self._receive())
            # Not cancelled when the time is over: what it brings later is part of the body.
            done, _ = await asyncio.wait([self._next], timeout=max(0.0, wait_until - time.monotonic()))
            if done:
                self._take(self._next.result())
            elif time.monotonic() >= patience_ends_at:
                raise BodyTooSlow
            else:
                return

    def close(self) -> None:
        """Wait for no more of it."""
        if self._next is not None:
            self._next.cancel()

    def _take(self, message: Any) -> None:
        self._next = None
        if message["type"] != "http.request":
            raise BodyBroken
        piece = message.get("body", b"")
        self._pieces.append(piece)
        self._length += len(piece)
        self.is_complete = not message.get("more_body", False) or self._length > self._limit


@asynccontextmanager
async def collecting(receive: Receive, limit: int) -> AsyncIterator[BodyCollector]:
    """Collect a body inside the block; whatever has not arrived at its end is not waited for."""
    collector = BodyCollector(receive, limit)
    try:
        yield collector
    finally:
        collector.close()
