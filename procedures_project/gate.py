"""The gate: what every request passes first, in one event loop a worker (ADR 12).

It owns everything that waits for a client, so that Django's threads only ever wait for PostgreSQL and Redis. Cached
reads that the process has in memory are answered here (Note [The fast path]), and so is what machines ask for;
everything else goes to Django, with its body whole.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog
from django.conf import settings
from django.http import HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware

from access import limits
from access.authentication import Bearer, remembered_bearer
from access.passwords import HASHINGS_AT_ONCE
from procedures_project.django_pool import DjangoPool, PoolExhausted, Slots, WholeAnswer
from procedures_project.operations import (
    MACHINES,
    SAFE_METHODS,
    healthz,
    method_not_allowed,
    metrics,
    problem_answer,
    readiness_answer,
)
from procedures_project.postgresql.waiting import ARRIVED_AT
from procedures_project.readiness import Readiness
from procedures_project.request_bodies import BodyBroken, BodyTooSlow, Receive, RequestBodies
from procedures_project.request_records import ID_HEADER, RequestRecord, record_of
from rest.problems import INTERNAL_ERROR, MALFORMED_REQUEST, REQUEST_TIMEOUT, UNAVAILABLE, Problem
from versioned_cache.http.fast_path import FastPath, FastRequest
from versioned_cache.loop_reader import LoopReader

logger = structlog.get_logger(__name__)

Send = Callable[[Any], Awaitable[None]]

# Those of settings.MIDDLEWARE that have a say in a read by token, in their order.
MIDDLEWARES = (SecurityMiddleware, CommonMiddleware, XFrameOptionsMiddleware)

TAKE_SECONDS = 30.0  # in which a client must take a piece of the answer
WHOLE_BYTES = 512 * 1024  # a longer answer is sent in pieces
PIECE_BYTES = 64 * 1024
MAX_HEADER_NAMES = 512
LOGIN = ("POST", "/admin/login/")


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
        self._logins = Slots(HASHINGS_AT_ONCE, settings.DJANGO_QUEUE_LENGTH, settings.DJANGO_QUEUE_SECONDS)
        self.fast_path: FastPath[Bearer] = FastPath(remembered_bearer, MIDDLEWARES)

    async def answer(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer a request (ASGI): once, whatever goes wrong, and with a record."""
        meta = meta_of(scope)
        meta[ARRIVED_AT] = time.monotonic()
        try:
            answer = await self._answer_to(meta, receive)
        except Problem as problem:
            answer = _refusal(meta, problem)
        except Exception:  # the server would answer without a record, and say nothing
            logger.exception("gate_failed")
            answer = _refusal(meta, INTERNAL_ERROR())
        if self._readiness.is_draining:  # or a proxy would send its next request over a connection that is about to end
            answer = replace(answer, headers=[*answer.headers, (b"connection", b"close")])
        try:
            await send_answer(send, meta, answer)
        except TimeoutError:  # an answer that is not complete ends the connection
            logger.info("answer_not_taken", seconds=TAKE_SECONDS)

    async def _answer_to(self, meta: dict[str, Any], receive: Receive) -> WholeAnswer:
        if meta["PATH_INFO"][1:] in MACHINES:
            return await self._machines_answer(meta)
        answer = None
        try:
            fast = self.fast_path.recognise(meta)
            if fast is not None:
                answer = await self._fast_answer(fast, meta)
        except Exception:  # whatever it is, Django answers, and answers for it
            logger.exception("fast_path_failed")
        return answer or await self._djangos_answer(meta, receive)

    async def _fast_answer(self, request: FastRequest[Bearer], meta: dict[str, Any]) -> WholeAnswer | None:
        record = record_of(meta)
        token, method = request.sender.token, meta["REQUEST_METHOD"]
        if limits.token_limits.exceeded(token, method):
            return None
        answer = await request.answer(meta, self._reader)
        if answer is None:
            return None
        limits.token_limits.take(token, method)
        record.close(
            method=meta["REQUEST_METHOD"],
            route=request.destination.route,
            view=request.destination.view_name,
            status=answer.status,
            user_id=request.sender.user.pk,
        )
        return WholeAnswer(answer.status, [*answer.headers, _id_header(record)], answer.body)

    async def _machines_answer(self, meta: dict[str, Any]) -> WholeAnswer:
        """Answer a probe or a scraper, whatever Django and PostgreSQL do."""
        record_of(meta)
        name = meta["PATH_INFO"][1:]
        if meta["REQUEST_METHOD"] not in SAFE_METHODS:
            response = method_not_allowed(meta)
        elif name == "readyz":
            response = readiness_answer(self._readiness.found)
        elif name == "metrics":
            response = await asyncio.to_thread(metrics, meta)
        else:
            response = healthz(meta)
        return _recorded(meta, name, response)

    async def _djangos_answer(self, meta: dict[str, Any], receive: Receive) -> WholeAnswer:
        """Return Django's answer. A login waits for its turn before it takes a thread: it costs more than all else.

        Raises:
            Problem: Django was not asked, and nothing was done.
        """
        record_of(meta)
        try:
            await self._bodies.add(meta, receive)
            if (meta["REQUEST_METHOD"], meta["PATH_INFO"]) != LOGIN:
                return await self._django.answer(meta)
            async with self._logins.one(meta[ARRIVED_AT]):
                return await self._django.answer(meta)
        except BodyTooSlow:
            raise REQUEST_TIMEOUT() from None
        except BodyBroken:  # or its client is gone, and nobody reads the answer
            raise MALFORMED_REQUEST("The body ends before its end.") from None
        except PoolExhausted:
            raise UNAVAILABLE("Too many requests wait already; nothing was done.") from None


async def send_answer(send: Send, meta: Mapping[str, Any], answer: WholeAnswer) -> None:
    """Send an answer, to HEAD its head; a long one in pieces, so that no connection holds a copy of it.

    Raises:
        TimeoutError: the client has not taken a piece in time.
    """
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    body = b"" if meta["REQUEST_METHOD"] == "HEAD" else answer.body
    start = 0
    while len(body) - start > WHOLE_BYTES:
        piece = body[start : start + PIECE_BYTES]
        async with asyncio.timeout(TAKE_SECONDS):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        start += PIECE_BYTES
    await send({"type": "http.response.body", "body": body[start:] if start else body})


def meta_of(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as WSGI has it (PEP 3333), all but its body."""
    server = scope.get("server") or ("localhost", 80)
    meta: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"].upper(),  # as Django takes it: `get` is GET there
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("",))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope["headers"]:
        variable = _variable_of(name)
        if variable is not None:
            text = value.decode("latin-1")
            separator = "; " if variable == "HTTP_COOKIE" else ","
            meta[variable] = f"{meta[variable]}{separator}{text}" if variable in meta else text
    return meta


@lru_cache(MAX_HEADER_NAMES)
def _variable_of(name: bytes) -> str | None:
    """Return the name under which WSGI has a header; None for one that would imitate another.

    `X_Forwarded_Proto` becomes the variable of `X-Forwarded-Proto`, which only a proxy may say.
    """
    if b"_" in name:
        return None
    variable = name.decode("latin-1").upper().replace("-", "_")
    return variable if variable in {"CONTENT_LENGTH", "CONTENT_TYPE"} else f"HTTP_{variable}"


def _refusal(meta: dict[str, Any], problem: Problem) -> WholeAnswer:
    """Answer a problem from outside Django. There may be a body that nobody has read, so the connection ends."""
    response = problem_answer(problem, meta)
    response["Connection"] = "close"
    return _recorded(meta, None, response)


def _recorded(meta: dict[str, Any], route: str | None, response: HttpResponse) -> WholeAnswer:
    """Close the record of a request that Django has not answered, and return the answer."""
    record, status = record_of(meta), response.status_code
    if not record.is_closed:
        record.close(method=meta["REQUEST_METHOD"], route=route, view=route, status=status, user_id=None)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
    headers += [(b"content-length", str(len(response.content)).encode()), _id_header(record)]
    return WholeAnswer(status, headers, response.content)


def _id_header(record: RequestRecord) -> tuple[bytes, bytes]:
    return ID_HEADER.lower().encode(), record.id.encode()
