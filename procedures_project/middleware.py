"""What every request gets: an id, one log line, request metrics whose labels are bounded."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.http import HttpRequest, HttpResponse
from django_prometheus.middleware import PrometheusAfterMiddleware

logger = structlog.get_logger(__name__)

QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})  # polled every few seconds by machines


class RequestLogMiddleware:
    """Give each request an id that its log lines and the answer's `X-Request-ID` share, and log it once.

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
        if request.path not in QUIET_PATHS:
            self._log(request, response, duration_ms=(time.perf_counter() - started) * 1000)
        return response

    @staticmethod
    def _log(request: HttpRequest, response: HttpResponse, duration_ms: float) -> None:
        logger.info(
            "request_finished",
            method=request.method,
            # The route, not the path: bounded, and free of what a client put into the URL.
            route=request.resolver_match.route if request.resolver_match else None,
            status=response.status_code,
            duration_ms=round(duration_ms, 3),
            user_id=getattr(getattr(request, "user", None), "pk", None),
        )


class BoundedPrometheusAfterMiddleware(PrometheusAfterMiddleware):  # type: ignore[misc]  # untyped base class
    """Request metrics without a series for each method that a client invents."""

    def label_metric(self, metric: Any, request: Any, response: Any = None, **labels: Any) -> Any:
        # The base class passes the client's own spelling to the latency histogram, 19 series a method.
        if "method" in labels:
            labels["method"] = self._method(request)
        return super().label_metric(metric, request, response, **labels)
