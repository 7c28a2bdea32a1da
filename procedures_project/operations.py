"""What probes and scrapers ask: liveness, readiness, metrics."""

import struct
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import cast

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django_prometheus.exports import ExportToDjangoView

from procedures_project.postgresql.waiting import PROBE_PATIENCE_SECONDS, patience
from rest.error_answers import plain_problem_response
from rest.problems import METHOD_NOT_ALLOWED, UNAUTHENTICATED
from versioned_cache.engine import cache

EXPORT_ATTEMPTS = 3
SAFE_METHODS = ("GET", "HEAD")

View = Callable[[HttpRequest], HttpResponse]


def safe_only(view: View) -> View:
    """Let only GET and HEAD through; the refusal is a problem like any other."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        if request.method in SAFE_METHODS:
            return view(request)
        response = plain_problem_response(METHOD_NOT_ALLOWED(), request)
        response["Allow"] = ", ".join(SAFE_METHODS)
        return response

    return wrapped


@safe_only
def healthz(request: HttpRequest) -> HttpResponse:
    """Tell that the process answers. Asks nobody else, so a broken database does not get workers killed."""
    return JsonResponse({"status": "ok"})


@safe_only
def readyz(request: HttpRequest) -> HttpResponse:
    """Tell whether requests should be sent here: 503 without PostgreSQL, degraded but ready without Redis."""
    postgresql, redis = _postgresql_answers(), cache.is_reachable()
    status = "ok" if postgresql and redis else "degraded" if postgresql else "unavailable"
    return JsonResponse(
        {"status": status, "postgresql": "ok" if postgresql else "down", "redis": "ok" if redis else "down"},
        status=HTTPStatus.OK if postgresql else HTTPStatus.SERVICE_UNAVAILABLE,
    )


@safe_only
def metrics(request: HttpRequest) -> HttpResponse:
    """Export the Prometheus series of all workers, to whoever may see them."""
    if not _may_see_metrics(request):
        return plain_problem_response(UNAUTHENTICATED("The metrics need the metrics token."), request)
    for attempt in range(1, EXPORT_ATTEMPTS + 1):
        try:
            return cast(HttpResponse, ExportToDjangoView(request))
        except (struct.error, FileNotFoundError, RuntimeError):
            # A worker that is just starting has created its file and not yet written it.
            if attempt == EXPORT_ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _may_see_metrics(request: HttpRequest) -> bool:
    # The socket's address, never a header: those are the client's to write.
    if settings.METRICS_OPEN_TO_LOOPBACK and request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"}:
        return True
    expected = f"Bearer {settings.METRICS_TOKEN}"
    return bool(settings.METRICS_TOKEN) and constant_time_compare(request.headers.get("Authorization", ""), expected)


def _postgresql_answers() -> bool:
    try:
        with patience(PROBE_PATIENCE_SECONDS), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True
