"""Request bodies, collected before a thread is taken: within their limit, and within their time.

Whoever sends a byte a second holds nothing but a connection, and not for long; whoever is nobody here holds no more
than a login form takes.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError

from access.authentication import bearer_in, remembered_bearer
from access.logins import is_logged_in
from procedures_project.django_pool import DjangoPool
from procedures_project.postgresql.waiting import ARRIVED_AT
from rest.error_answers import failure_of_postgresql
from rest.problems import PAYLOAD_TOO_LARGE

Result = TypeVar("Result")
Meta = Mapping[str, Any]
"""A request's headers as WSGI has them (PEP 3333)."""

PATIENCE_SECONDS = 15.0
LEAST_BYTES_PER_SECOND = 32 * 1024  # what earns a long body more time than that

GRACE_SECONDS = 0.05  # for a body that came with its head, from whomever it is
FORMS = ("/admin/", "/console/")
"""Where bodies are forms of people who are logged in, and not of programs with tokens."""

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
            elif ends_at is not None and time.monotonic() >= ends_at:
                return
            # Else the timer has fired a little early, as timers do: what has arrived is not the body.

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


class RequestBodies:
    """Puts bodies into requests. For one event loop.

    Args:
        django: Whom to ask who sends a request.
    """

    def __init__(self, django: DjangoPool) -> None:
        self._django = django

    async def add(self, meta: dict[str, Any], receive: Receive) -> None:
        """Put the whole body into a request; of one that is too long, what shows that it is.

        Args:
            meta: The request as WSGI has it; its time begins anew if a body was waited for.
            receive: ASGI's, of the request.

        Raises:
            BodyTooSlow, BodyBroken: it is not there.
            PoolExhausted: no thread was to be had, to ask who sends it.
            Problem: it is not to be read.
        """
        length = _length_of(meta)
        meta["wsgi.input"] = io.BytesIO()
        if length == 0:
            return
        is_form = meta["PATH_INFO"].startswith(FORMS)
        limit = await self._limit_of_form(meta, length) if is_form else settings.MAX_BODY_BYTES
        is_too_long = length is not None and length > limit
        body = bytes(limit + 1) if is_too_long else await self._collected(meta, receive, limit, is_form=is_form)
        if is_form and len(body) > limit:
            raise PAYLOAD_TOO_LARGE(f"At most {limit} bytes are read.", limit_bytes=limit)
        meta["wsgi.input"] = io.BytesIO(body)
        if length is None:
            meta["CONTENT_LENGTH"] = str(len(body))

    async def _collected(self, meta: dict[str, Any], receive: Receive, limit: int, *, is_form: bool) -> bytes:
        """Return a body; only what came with its head, of a program that has no good token: it is refused without."""
        async with collecting(receive, limit) as collector:
            await collector.collect(GRACE_SECONDS)
            if not collector.is_complete and (is_form or await self._is_from_a_bearer(meta)):
                await collector.collect()
        meta[ARRIVED_AT] = time.monotonic()  # the time that a client took is none of ours
        return collector.body

    async def _limit_of_form(self, meta: Meta, length: int | None) -> int:
        """Return how long a form may be: that of somebody who is not logged in is short."""
        if length is not None and length <= settings.MAX_BODY_BYTES:
            return settings.MAX_BODY_BYTES
        is_long_form = await self._told(lambda: is_logged_in(meta), meta)
        return settings.DATA_UPLOAD_MAX_MEMORY_SIZE if is_long_form else settings.MAX_BODY_BYTES

    async def _is_from_a_bearer(self, meta: Meta) -> bool:
        """Tell whether a request comes with a good token."""
        return remembered_bearer(meta) is not None or await self._told(lambda: bearer_in(meta), meta) is not None

    async def _told(self, question: Callable[[], Result], meta: Meta) -> Result:
        """Return what PostgreSQL tells of who sends a request."""
        try:
            return await self._django.ask(question, meta[ARRIVED_AT])
        except (DatabaseError, InterfaceError) as error:
            problem = failure_of_postgresql(error, is_write=False)  # whatever it wants: nothing was done
            if problem is None:
                raise
            raise problem from None


def _length_of(meta: Meta) -> int | None:
    """Return how long a body is said to be; None where it ends with its last chunk."""
    if "HTTP_TRANSFER_ENCODING" in meta:
        return None
    length = meta.get("CONTENT_LENGTH", "")
    return int(length) if length.isdecimal() else 0
