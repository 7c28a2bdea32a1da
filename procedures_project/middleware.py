"""What every request gets: an id, one log line, its place in the metrics; and what only pages get."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from procedures_project import request_metrics

logger = structlog.get_logger(__name__)

QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})  # polled every few seconds by machines
PAGES = "/admin/"


class RequestRecordMiddleware:
    """Give each request an id that its log lines and the answer's `X-Request-ID` share; log and count it once.

    An id sent by the client is not taken over: it could forge another request's trace.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = uuid.uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        seconds = time.perf_counter() - started
        request_metrics.count(request, response, seconds)
        if request.path not in QUIET_PATHS:
            self._log(request, response, seconds)
        return response

    @staticmethod
    def _log(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
        logger.info(
            "request_finished",
            method=request.method,
            # The route, not the path: bounded, and free of what a client put into the URL.
            route=request.resolver_match.route if request.resolver_match else None,
            status=response.status_code,
            duration_ms=round(seconds * 1000, 3),
            user_id=getattr(getattr(request, "user", None), "pk", None),
        )


class OnlyForPages(MiddlewareMixin):
    """Lets a middleware of Django pass requests of the API by: they have neither session nor messages."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if request.path.startswith(PAGES) else self.get_response(request)


class PageSessionMiddleware(OnlyForPages, SessionMiddleware):
    """Sessions, for pages."""


class PageAuthenticationMiddleware(OnlyForPages, AuthenticationMiddleware):
    """Users who logged in, for pages; the API's bring tokens."""


class PageMessageMiddleware(OnlyForPages, MessageMiddleware):
    """Messages, for pages."""
