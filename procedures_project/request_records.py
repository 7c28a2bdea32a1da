"""What every request gets: an id, one log line, and its place in the metrics.

The metrics have django-prometheus's names, but its middlewares keep two dozen series, each looked up by its labels at
each request: in multi-process mode that takes longer than a cached read. These are the two that dashboards are made
of, with their children at hand.
"""

import time
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram

logger = structlog.get_logger(__name__)

ID_HEADER = "X-Request-ID"
QUIET_ROUTES = frozenset({"healthz", "readyz", "metrics"})  # polled every few seconds by machines
KEY = "procedures.request_record"

RESPONSES = Counter(
    "django_http_responses_total_by_status_view_method_total",
    "Count of responses by status, view, method.",
    ["status", "view", "method"],
)
LATENCY = Histogram(
    "django_http_requests_latency_seconds_by_view_method",
    "Histogram of request processing time labelled by view.",
    ["view", "method"],
    buckets=settings.PROMETHEUS_LATENCY_BUCKETS,
)
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"})
INVALID_METHOD = "<invalid method>"
MAX_CHILDREN = 2_000  # combinations of view, method and status that occur; beyond it, children are only looked up again


class RequestRecord:
    """A request that is being answered. Its id is in all its log lines, and in the answer's `X-Request-ID`.

    An id sent by the client is not taken over: it could forge another request's trace.

    Attributes:
        id: 32 hexadecimal digits.
        is_closed: Whether the request has been logged and counted.
    """

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self.is_closed = False
        self._started = time.perf_counter()
        self.bind()

    def bind(self) -> None:
        """Put the id into all further log lines of this thread, or of this task."""
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=self.id)

    def close(self, *, method: str | None, route: str | None, view: str | None, status: int, user_id: Any) -> None:
        """Log and count the request, once, when its answer is ready.

        Args:
            method: As the client sent it; one that does not exist is not repeated.
            route: The pattern of the path, not the path: bounded, and free of what a client put into it.
            view: The pattern's name.
            status: Of the answer.
            user_id: Who was authenticated, or None.
        """
        self.is_closed = True
        seconds = time.perf_counter() - self._started
        # A client may invent methods, each of which would be a series of its own.
        known_method = method if method in KNOWN_METHODS else INVALID_METHOD
        responses, latency = _children(status, view or "<unnamed view>", known_method)
        responses.inc()
        latency.observe(seconds)
        if route not in QUIET_ROUTES:
            logger.info(
                "request_finished",
                method=known_method,
                route=route,
                status=status,
                duration_ms=round(seconds * 1000, 3),
                user_id=user_id,
            )


class RequestRecordMiddleware:
    """Keeps the record of each request that reaches Django."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        record = record_of(request.META)
        record.bind()  # it may have been begun in another thread
        response = self.get_response(request)
        response[ID_HEADER] = record.id
        match = request.resolver_match
        record.close(
            method=request.method,
            route=match.route if match else None,
            view=match.view_name if match else None,
            status=response.status_code,
            user_id=_user_id_of(request),
        )
        return response


def record_of(environ: dict[str, Any]) -> RequestRecord:
    """Return the record of the request with this WSGI environment, begun now unless it was before."""
    record: RequestRecord | None = environ.get(KEY)
    if record is None:
        record = environ[KEY] = RequestRecord()
    return record


@lru_cache(MAX_CHILDREN)
def _children(status: int, view: str, method: str) -> tuple[Counter, Histogram]:
    return RESPONSES.labels(str(status), view, method), LATENCY.labels(view, method)


def _user_id_of(request: HttpRequest) -> Any:
    """Return who was authenticated; None where PostgreSQL fails to tell, which the answer says already."""
    try:
        return getattr(getattr(request, "user", None), "pk", None)
    except (DatabaseError, InterfaceError):
        return None
