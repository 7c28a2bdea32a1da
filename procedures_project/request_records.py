"""What every request gets: an id, one log line, and its place in the metrics.

The metrics have django-prometheus's names, but its middlewares keep two dozen series, each looked up by its labels at
each request: in multi-process mode that takes longer than a cached read. These are the two that dashboards are made
of, with their children at hand.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter, Histogram

from access.addresses import shown_address
from procedures_project.logging_config import LOGGED_REQUEST_ID
from procedures_project.tracing import trace_id_of, tracing
from rest.error_answers import REQUEST_ID

logger = structlog.get_logger(__name__)

ID_HEADER = "X-Request-ID"
ID_BYTES = 16
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

MAX_UPSTREAM_ID = 100  # characters
# https://www.w3.org/TR/trace-context/#traceparent-header; later versions may add to it.
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-|$)")
MAX_TRACEPARENT = 128  # characters
NOT_IN_AN_ID = re.compile(r"[^\x21-\x7e]+")  # such as line breaks, and what makes a terminal do things


class Outcome(NamedTuple):
    """What became of a request.

    Attributes:
        status: Of the answer.
        length: Of the answer's body in bytes, as GET gets it; None where nobody knows it beforehand.
        route: The pattern of the path, not the path: bounded, and free of what a client put into it.
        view: The pattern's name.
        user_id: Who was authenticated, or None.
        cache_source: Where the body of a cached read came from; None for all else.
    """

    status: int
    length: int | None
    route: str | None = None
    view: str | None = None
    user_id: Any = None
    cache_source: str | None = None


class RequestRecord:
    """A request that is being answered. Its id is in all its log lines, and in the answer's `X-Request-ID`.

    An id sent by the client is not taken over: it could forge another request's trace. It is logged beside ours.

    Args:
        meta: The request as WSGI has it (PEP 3333).

    Attributes:
        id: 32 hexadecimal digits.
        is_closed: Whether the request has been logged and counted.
        span: The request in traces, if there are any.
    """

    def __init__(self, meta: Mapping[str, Any]) -> None:
        self.id = os.urandom(ID_BYTES).hex()
        self.is_closed = False
        self.span = tracing.begin(meta) if tracing.is_on else None
        self._started = time.perf_counter()
        self.bind()

    def bind(self) -> None:
        """Put the id into all further log lines of this thread, or of this task."""
        LOGGED_REQUEST_ID.set(self.id)

    def close(self, meta: Mapping[str, Any], outcome: Outcome) -> None:
        """Log and count the request, once, when its answer is ready.

        Args:
            meta: The request as WSGI has it.
            outcome: What became of it.
        """
        self.is_closed = True
        seconds = time.perf_counter() - self._started
        # A client may invent methods, each of which would be a series of its own, and a text of its own in the log.
        method = meta["REQUEST_METHOD"] if meta["REQUEST_METHOD"] in KNOWN_METHODS else INVALID_METHOD
        responses, latency = _children(outcome.status, outcome.view or "<unnamed view>", method)
        responses.inc()
        latency.observe(seconds)
        if outcome.route not in QUIET_ROUTES:
            self._log(meta, outcome, method, seconds)

    def _log(self, meta: Mapping[str, Any], outcome: Outcome, method: str, seconds: float) -> None:
        fields = {
            "method": method,
            "route": outcome.route,
            "status": outcome.status,
            "duration_ms": round(seconds * 1000, 3),
            "bytes": 0 if method == "HEAD" else outcome.length,
            "cache_source": outcome.cache_source,
            "user_id": outcome.user_id,
            "client_address": shown_address(meta),
            "upstream_request_id": _upstream_id_in(meta),
            "trace_id": _trace_id_in(meta) if self.span is None else trace_id_of(self.span),
        }
        logger.info("request_finished", **fields)
        if self.span is not None:
            tracing.end(self.span, fields | {"request_id": self.id})


class RequestRecordMiddleware:
    """Keeps the record of each request that reaches Django."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        record = record_of(request.META)
        record.bind()  # it may have been begun in another thread
        with nullcontext() if record.span is None else tracing.inside(record.span):
            response = self.get_response(request)
        response[ID_HEADER] = record.id
        match = request.resolver_match
        outcome = Outcome(
            status=response.status_code,
            length=length_of(response),
            route=match.route if match else None,
            view=match.view_name if match else None,
            user_id=_user_id_of(request),
            cache_source=getattr(response, "source", None),
        )
        record.close(request.META, outcome)
        return response


def record_of(environ: dict[str, Any]) -> RequestRecord:
    """Return the record of the request with this WSGI environment, begun now unless it was before."""
    record: RequestRecord | None = environ.get(KEY)
    if record is None:
        record = environ[KEY] = RequestRecord(environ)
        environ[REQUEST_ID] = record.id
    return record


def length_of(response: HttpResponse) -> int | None:
    """Return the length of an answer's body; None where it is made while it is sent."""
    if "Content-Length" in response:
        return int(response["Content-Length"])
    return None if response.streaming else len(response.content)


@lru_cache(MAX_CHILDREN)
def _children(status: int, view: str, method: str) -> tuple[Counter, Histogram]:
    return RESPONSES.labels(str(status), view, method), LATENCY.labels(view, method)


def _upstream_id_in(meta: Mapping[str, Any]) -> str | None:
    """Return the id that a proxy, or a client, has given to a request: shortened, and without what could do harm."""
    sent: str | None = meta.get("HTTP_X_REQUEST_ID")
    return None if sent is None else NOT_IN_AN_ID.sub("", sent[:MAX_UPSTREAM_ID])


def _trace_id_in(meta: Mapping[str, Any]) -> str | None:
    """Return the trace that a proxy, or a client, says a request belongs to, in hexadecimal digits."""
    sent: str | None = meta.get("HTTP_TRACEPARENT")
    found = None if sent is None else TRACEPARENT.match(sent[:MAX_TRACEPARENT])
    return None if found is None else found[1]


def _user_id_of(request: HttpRequest) -> Any:
    """Return who was authenticated; None where PostgreSQL fails to tell, which the answer says already."""
    try:
        return getattr(getattr(request, "user", None), "pk", None)
    except (DatabaseError, InterfaceError):
        return None
