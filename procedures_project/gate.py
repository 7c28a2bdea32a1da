"""The gate: what every request passes first, in one event loop a worker (ADR 12).

It owns everything that waits for a client, so that Django's threads only ever wait for PostgreSQL and Redis. Cached
reads that the process has in memory are answered here (Note [The fast path]), and so is what machines ask for;
everything else goes to Django, with its body whole.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import structlog
from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.cache import patch_vary_headers

from access import limits
from access.authentication import Bearer, remembered_bearer
from access.passwords import HASHINGS_AT_ONCE
from procedures_project.django_pool import DjangoPool, PoolExhausted, Slots, WholeAnswer
from procedures_project.metrics import REQUESTS_REJECTED
from procedures_project.operations import (
    MACHINES,
    healthz,
    metrics,
    readiness_answer,
)
from procedures_project.postgresql.waiting import ARRIVED_AT
from procedures_project.readiness import Readiness
from procedures_project.refusals import READING_METHODS, method_not_allowed, refusal
from procedures_project.request_bodies import BodyBroken, BodyTooSlow, Receive, RequestBodies
from procedures_project.request_heads import ANSWERED, asks_about_the_server, check_head, meta_of
from procedures_project.request_records import ID_HEADER, Outcome, RequestRecord, record_of
from procedures_project.security_headers import SecurityHeadersMiddleware, protected_without_django
from rest.problems import INTERNAL_ERROR, MALFORMED_REQUEST, REQUEST_TIMEOUT, UNAVAILABLE, Problem
from versioned_cache.http.fast_path import FastPath, FastRequest
from versioned_cache.loop_reader import LoopReader
from versioned_cache.single_flight import LoopFlights

logger = structlog.get_logger(__name__)

Send = Callable[[Any], Awaitable[None]]

# Those of settings.MIDDLEWARE that have a say in a read by token, in their order.
MIDDLEWARES = (
    *([CorsMiddleware] if settings.CORS_ALLOWED_ORIGINS else []),
    SecurityMiddleware,
    SecurityHeadersMiddleware,
    CommonMiddleware,
    XFrameOptionsMiddleware,
)

BUILD_SECONDS = 30.0  # for which a read waits for another that is having the same body built
TAKE_SECONDS = 30.0  # in which a client must take a piece of the answer
WHOLE_BYTES = 512 * 1024  # a longer answer is sent in pieces
PIECE_BYTES = 64 * 1024
LOGINS = {("POST", "/admin/login/"), ("POST", "/console/sign-in")}


class Gate:
    """Answers the requests of one worker. For one event loop.

    Args:
        django: Django and what stands around it.
        reader: Reads what this process has in memory.
        readiness: Whether requests should be sent here.
    """

    def __init__(self, django: DjangoPool, reader: LoopReader, readiness: Readiness) -> None:
        self._django = django
        self._bodies = RequestBodies(django)
        self._reader = reader
        self._readiness = readiness
        self._flights = LoopFlights()
        self._logins = Slots(HASHINGS_AT_ONCE, settings.DJANGO_QUEUE_LENGTH, settings.DJANGO_QUEUE_SECONDS)
        # As many as there are threads: so they do not crowd Django's queue, however many have waited.
        self._woken = Slots(settings.DJANGO_THREADS, sys.maxsize, settings.DJANGO_QUEUE_SECONDS)
        self.fast_path: FastPath[Bearer] = FastPath(remembered_bearer, MIDDLEWARES)

    async def answer(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request (ASGI): once, whatever goes wrong, and with a record."""
        meta = meta_of(scope)
        meta[ARRIVED_AT] = time.monotonic()
        try:
            answer = await self._answer_to(meta, receive)
        except Problem as problem:
            answer = self._refusal(meta, problem)
        except Exception:  # the server would answer without a record, and say nothing
            logger.exception("gate_failed")
            answer = self._refusal(meta, INTERNAL_ERROR())
        if self._readiness.is_draining:  # or a proxy would send its next request over a connection about to end
            answer = replace(answer, headers=[*answer.headers, (b"connection", b"close")])
        try:
            await send_answer(send, meta, answer)
        except TimeoutError:  # an answer that is not complete ends the connection
            logger.info("answer_not_taken", seconds=TAKE_SECONDS)

    async def _answer_to(self, meta: dict[str, Any], receive: Receive) -> WholeAnswer:
        check_head(meta)
        if asks_about_the_server(meta):
            return _recorded(meta, None, _options_of_the_server())
        if meta["PATH_INFO"][1:] in MACHINES:
            return await self._machines_answer(meta)
        answer, missing = await self._look(meta)
        if answer is not None:
            return answer
        if missing is None:
            return await self._djangos_answer(meta, receive)
        return await self._answer_after_another(missing, meta, receive)

    async def _look(self, meta: dict[str, Any]) -> tuple[WholeAnswer | None, Hashable | None]:
        """Look what this process has for a cached read.

        Returns:
            The answer, if it can be given here; and the body that this process would need for it and does not have.
        """
        answer = missing = None
        try:
            request = self.fast_path.recognise(meta)
            if request is not None:
                answer = await self._fast_answer(request, meta)
                missing = request.wanted if answer is None else None
            elif (wanted := self.fast_path.wanted_by(meta)) and not await wanted.is_at_hand(meta, self._reader):
                missing = wanted
        except Exception:  # whatever it is, Django answers, and answers for it
            logger.exception("fast_path_failed")
        return answer, missing

    async def _answer_after_another(self, missing: Hashable, meta: dict[str, Any], receive: Receive) -> WholeAnswer:
        """Answer a cached read whose body this process may be about to have (Note [Waiting without a thread])."""
        record_of(meta)
        turns = None
        if await self._flights.another_succeeded(missing, BUILD_SECONDS):
            meta[ARRIVED_AT] = time.monotonic()  # it has not waited for a server that does not answer
            answer, _ = await self._look(meta)
            if answer is not None:
                return answer
            turns = self._woken
        with self._flights.one(missing) as flight:
            answer = await self._djangos_answer(meta, receive, turns)
            flight.has_succeeded = answer.status < HTTPStatus.BAD_REQUEST
            return answer

    async def _fast_answer(self, request: FastRequest[Bearer], meta: dict[str, Any]) -> WholeAnswer | None:
        record = record_of(meta)
        token, method = request.sender.token, meta["REQUEST_METHOD"]
        if limits.token_limits.exceeded(token, method):
            return None
        answer = await request.answer(meta, self._reader)
        if answer is None or limits.token_limits.take(token, method):  # used up meanwhile by others of the token
            return None
        destination, user_id = request.destination, request.sender.user.pk
        record.close(
            meta,
            Outcome(answer.status, answer.length, destination.route, destination.view_name, user_id, answer.source),
        )
        return WholeAnswer(answer.status, [*answer.headers, _id_header(record)], list(answer.segments))

    async def _machines_answer(self, meta: dict[str, Any]) -> WholeAnswer:
        """Answer a probe or a scraper, whatever Django and PostgreSQL do."""
        record_of(meta)
        name = meta["PATH_INFO"][1:]
        if meta["REQUEST_METHOD"] not in READING_METHODS:
            response = method_not_allowed(meta)
        elif name == "readyz":
            response = readiness_answer(self._readiness.found)
        elif name == "metrics":
            response = await asyncio.to_thread(metrics, meta)
        else:
            response = healthz(meta)
        return _recorded(meta, name, response)

    async def _djangos_answer(self, meta: dict[str, Any], receive: Receive, turns: Slots | None = None) -> WholeAnswer:
        """Return Django's answer. A login waits for its turn before it takes a thread: it costs more than all else.

        Args:
            meta: The request.
            receive: Receives its body.
            turns: Those of which it waits for one, too, if it is of a kind that may come in great numbers.

        Raises:
            Problem: Django was not asked, and nothing was done.
        """
        record_of(meta)
        try:
            await self._bodies.add(meta, receive)
            if (meta["REQUEST_METHOD"], meta["PATH_INFO"]) in LOGINS:
                turns = self._logins
            async with turns.one(meta[ARRIVED_AT]) if turns else nullcontext():
                return await self._django.answer(meta)
        except BodyTooSlow:
            raise REQUEST_TIMEOUT() from None
        except BodyBroken:  # or its client is gone, and nobody reads the answer
            raise MALFORMED_REQUEST("The body ends before its end.") from None
        except PoolExhausted:
            REQUESTS_REJECTED.inc()
            raise UNAVAILABLE("Too many requests wait already; nothing was done.") from None

    def _refusal(self, meta: dict[str, Any], problem: Problem) -> WholeAnswer:
        """Answer a problem from outside Django. There may be a body that nobody has read, so the connection ends."""
        response = refusal(problem, meta)
        if settings.CORS_ALLOWED_ORIGINS:
            patch_vary_headers(response, ["origin"])
            for name, value in self.fast_path.headers_for(meta):
                if name.lower().startswith("access-control-"):
                    response[name] = value
        response["Connection"] = "close"
        return _recorded(meta, None, response)


async def send_answer(send: Send, meta: Mapping[str, Any], answer: WholeAnswer) -> None:
    """Send an answer, to HEAD its head; a long one in pieces, so that no connection holds a copy of it.

    Raises:
        TimeoutError: the client has not taken a piece in time.
    """
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    segments = [] if meta["REQUEST_METHOD"] == "HEAD" else answer.segments
    if sum(map(len, segments)) <= WHOLE_BYTES:
        await send({"type": "http.response.body", "body": b"".join(segments)})
        return
    for piece in _pieces(segments):
        async with asyncio.timeout(TAKE_SECONDS):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _pieces(segments: Iterable[bytes]) -> Iterator[bytes]:
    for segment in segments:
        for start in range(0, len(segment), PIECE_BYTES):
            yield segment[start : start + PIECE_BYTES]


def _options_of_the_server() -> HttpResponse:
    return HttpResponse(content_type="text/plain", headers={"Allow": ANSWERED})


def _recorded(meta: dict[str, Any], route: str | None, response: HttpResponse) -> WholeAnswer:
    """Close the record of a request that Django has not answered, and return the answer."""
    record, status, length = record_of(meta), response.status_code, len(response.content)
    if not record.is_closed:
        record.close(meta, Outcome(status, length, route, view=route))
    protected_without_django(response)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    headers += [(b"content-length", str(length).encode()), _id_header(record)]
    return WholeAnswer(status, headers, [response.content])


def _id_header(record: RequestRecord) -> tuple[bytes, bytes]:
    return ID_HEADER.lower().encode(), record.id.encode()
