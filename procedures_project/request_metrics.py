"""How many requests were answered and how long that took, under django-prometheus's names.

Its middlewares keep two dozen series, each looked up by its labels at each request: in multi-process mode that takes
longer than a cached read. These are the two that dashboards are made of, with their children kept at hand.
"""

from functools import lru_cache

from django.conf import settings
from prometheus_client import Counter, Histogram

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
MAX_CHILDREN = 2_000  # combinations of view, method and status that occur; beyond it, children are only looked up again


def count(view: str | None, method: str | None, status: int, seconds: float) -> None:
    """Count an answered request."""
    # A client may invent methods, each of which would be a series of its own.
    known_method = method if method in KNOWN_METHODS else "<invalid method>"
    responses, latency = _children(status, view or "<unnamed view>", known_method)
    responses.inc()
    latency.observe(seconds)


@lru_cache(MAX_CHILDREN)
def _children(status: int, view: str, method: str) -> tuple[Counter, Histogram]:
    return RESPONSES.labels(str(status), view, method), LATENCY.labels(view, method)
