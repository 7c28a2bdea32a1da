"""The short cut past Django for quick reads (`procedures.quick_reads`, ADR 10).

What Django would say to such a request is asked of Django, and remembered: whether its host and its scheme are
allowed and which headers its answer gets, and which view its path leads to. What it would do is done: the request
has a record like any other.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import Resolver404, resolve

from procedures.quick_reads import QuickRead, is_plain, known_bearer, quick_read_of
from procedures.representations import Answer
from procedures_project.request_records import ID_HEADER, record_of

logger = structlog.get_logger(__name__)

# Those of settings.MIDDLEWARE that have a say in a read by token, in their order.
MIDDLEWARE = (SecurityMiddleware, CommonMiddleware, XFrameOptionsMiddleware)
# What Django judges the host and the scheme of a request by, in its WSGI environment; the proxy's header comes to it.
ORIGIN = ("HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme")
OF_THE_BODY = {"content-type", "content-length"}
MAX_PATH_LENGTH = 100  # no quick read's is longer; and so what is remembered is bounded
MAX_PATHS = 4_096
MAX_ORIGINS = 64
STATUS_LINES = {status: f"{status.value} {status.phrase}" for status in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED)}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a path leads to."""

    quick_read: QuickRead
    path: dict[str, object]
    route: str
    view_name: str


class ShortCut:
    """A WSGI application that answers quick reads, and leaves everything else to Django.

    Args:
        django: Django's application.
    """

    def __init__(self, django: WSGIApplication) -> None:
        self._django = django
        self._destination_of = lru_cache(MAX_PATHS)(_destination_of)
        self._headers_for = lru_cache(MAX_ORIGINS)(self._ask_middlewares)
        self._origin = (*ORIGIN, *(settings.SECURE_PROXY_SSL_HEADER or ())[:1])

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333)."""
        answer = self._quick_answer_if_possible(environ)
        if answer is None:
            return self._django(environ, start_response)
        start_response(STATUS_LINES[answer.status], list(answer.headers.items()))
        return [answer.body]

    @property
    def paths_remembered(self) -> int:
        """How many paths it knows the destination of."""
        return self._destination_of.cache_info().currsize

    def _quick_answer_if_possible(self, environ: WSGIEnvironment) -> Answer | None:
        try:
            return self._quick_answer(environ) if is_plain(environ) else None
        except Exception:  # whatever it is, Django answers, and answers for it
            logger.exception("quick_read_failed")
            return None

    def _quick_answer(self, environ: WSGIEnvironment) -> Answer | None:
        path = environ.get("PATH_INFO", "")
        bearer = known_bearer(environ)
        if bearer is None or len(path) > MAX_PATH_LENGTH:
            return None
        destination = self._destination_of(path)
        headers = self._headers_for(*map(environ.get, self._origin))
        if destination is None or headers is None:
            return None
        record = record_of(environ)
        answer = destination.quick_read.answer(environ, bearer, destination.path)
        if answer is None:
            return None
        record.close(
            method=environ["REQUEST_METHOD"],
            route=destination.route,
            view=destination.view_name,
            status=answer.status.value,
            user_id=bearer.user.pk,
        )
        own = {"Content-Length": str(len(answer.body)), ID_HEADER: record.id}
        return Answer(answer.status, answer.headers | headers | own, answer.body)

    def _ask_middlewares(self, *origin: str | None) -> dict[str, str] | None:
        """Return the headers that the middlewares add for this origin; None where they refuse it, or redirect."""
        environ = {name: value for name, value in zip(self._origin, origin, strict=True) if value is not None}
        request = WSGIRequest({**environ, "REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": BytesIO()})
        get_response: Callable[[HttpRequest], Any] = _blank
        for middleware in reversed(MIDDLEWARE):
            get_response = middleware(get_response)
        try:
            response = get_response(request)
        except SuspiciousOperation:
            return None
        if response.status_code != HTTPStatus.OK:
            return None
        return {name: value for name, value in response.items() if name.lower() not in OF_THE_BODY}


def _destination_of(path: str) -> Destination | None:
    """Return where Django's resolver leads, if that is a quick read."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    quick_read = quick_read_of(match.func)
    return None if quick_read is None else Destination(quick_read, match.kwargs, match.route, match.view_name)


def _blank(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()
