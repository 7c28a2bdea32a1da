"""Request bodies, collected before a thread is taken: within their limit, and within their time.

A client that sends a byte a second ties up nothing but a connection, and not for long; a client that is not
authenticated ties up no more memory than a login form takes.
"""

import asyncio
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils.http import parse_header_parameters

from access.authentication import bearer_in, remembered_bearer
from access.logins import is_logged_in
from procedures_project.django_pool import DjangoPool
from procedures_project.postgresql.waiting import ARRIVED_AT
from rest.error_answers import failure_of_postgresql
from rest.json_bodies import UTF_8
from rest.problems import MALFORMED_REQUEST, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE

Result = TypeVar("Result")
Meta = Mapping[str, Any]
"""A request's headers as WSGI has them (PEP 3333)."""

PATIENCE_SECONDS = 15.0
LEAST_BYTES_PER_SECOND = 32 * 1024  # for which a long body gets more time

GRACE_SECONDS = 0.05  # for a body that came with its head, whoever sent it
FORMS = ("/admin/", "/console/")
"""Where bodies are forms from people who are logged in, and not from programs with tokens."""

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
            # Not cancelled when the time is up: what it receives later is part of the body.
            done, _ = await asyncio.wait([self._next], timeout=max(0.0, wait_until - time.monotonic()))
            if done:
                self._take(self._next.result())
            elif time.monotonic() >= patience_ends_at:
                raise BodyTooSlow
            elif ends_at is not None and time.monotonic() >= ends_at:
                return
            # Otherwise the timer has fired a little early, as timers do, and the body is not complete yet.

    def close(self) -> None:
        """Stop waiting for the rest."""
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
    """Collect a body inside the block; what has not arrived by its end is not waited for."""
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
        """Put the whole body into a request; of a body that is too long, just enough to show that it is.

        Args:
            meta: The request as WSGI has it; its time begins anew if its body had to be waited for.
            receive: ASGI's, of the request.

        Raises:
            BodyTooSlow, BodyBroken: the body did not arrive.
            PoolExhausted: no thread became free in time to ask who sends it.
            Problem: the body must not be read.
        """
        length = _length_of(meta)
        meta["wsgi.input"] = io.BytesIO()
        if length == 0:
            meta.pop("CONTENT_TYPE", None)  # it says nothing, and Django would read the query by its charset
            return
        _check_content_type(meta.get("CONTENT_TYPE", ""))
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
        """Return a body; of a program without a valid token only what came with the head, enough to refuse it."""
        async with collecting(receive, limit) as collector:
            await collector.collect(GRACE_SECONDS)
            if not collector.is_complete and (is_form or await self._is_from_a_bearer(meta)):
                await collector.collect()
        meta[ARRIVED_AT] = time.monotonic()  # the time that the client took does not count
        return collector.body

    async def _limit_of_form(self, meta: Meta, length: int | None) -> int:
        """Return how long a form may be: short, for somebody who is not logged in."""
        if length is not None and length <= settings.MAX_BODY_BYTES:
            return settings.MAX_BODY_BYTES
        is_long_form = await self._told(lambda: is_logged_in(meta), meta)
        return settings.DATA_UPLOAD_MAX_MEMORY_SIZE if is_long_form else settings.MAX_BODY_BYTES

    async def _is_from_a_bearer(self, meta: Meta) -> bool:
        """Tell whether a request comes with a valid token."""
        return remembered_bearer(meta) is not None or await self._told(lambda: bearer_in(meta), meta) is not None

    async def _told(self, question: Callable[[], Result], meta: Meta) -> Result:
        """Return what PostgreSQL tells of who sends a request."""
        try:
            return await self._django.ask(question, meta[ARRIVED_AT])
        except (DatabaseError, InterfaceError) as error:
            problem = failure_of_postgresql(error, is_write=False)  # even for a write: nothing was done
            if problem is None:
                raise
            raise problem from None


def _check_content_type(content_type: str) -> None:
    """Refuse a type that Django cannot parse, and a charset in which it would misread the text."""
    try:
        _, parameters = parse_header_parameters(content_type)
    except ValueError:
        raise MALFORMED_REQUEST("A parameter of Content-Type is in an encoding that does not exist.") from None
    if parameters.get("charset", "utf-8").lower() not in UTF_8:
        raise UNSUPPORTED_MEDIA_TYPE("The body must be UTF-8.")


def _length_of(meta: Meta) -> int | None:
    """Return how long a body is said to be; None where it ends with its last chunk."""
    if "HTTP_TRANSFER_ENCODING" in meta:
        return None
    length = meta.get("CONTENT_LENGTH", "")
    return int(length) if length.isdecimal() else 0
