"""What probes and scrapers ask: liveness, readiness, metrics."""

import struct
from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django_prometheus.exports import ExportToDjangoView

from procedures_project.readiness import Looker
from rest import exact_json
from rest.error_answers import MEDIA_TYPE
from rest.problems import METHOD_NOT_ALLOWED, UNAUTHENTICATED, Problem

EXPORT_ATTEMPTS = 3
SAFE_METHODS = ("GET", "HEAD")
READY = frozenset({"ok", "degraded"})

View = Callable[[HttpRequest], HttpResponse]
Meta = Mapping[str, Any]
"""A request's headers as WSGI has them (PEP 3333)."""


def safe_only(view: View) -> View:
    """Let only GET and HEAD through; the refusal is a problem like any other."""

    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        return view(request) if request.method in SAFE_METHODS else method_not_allowed(request.META)

    return wrapped


def method_not_allowed(meta: Meta) -> HttpResponse:
    """Refuse every method but those that read."""
    response = problem_answer(METHOD_NOT_ALLOWED(), meta)
    response["Allow"] = ", ".join(SAFE_METHODS)
    return response


def healthz(meta: Meta) -> HttpResponse:
    """Tell that the process answers. Asks nobody else, so a broken database does not get workers killed."""
    return JsonResponse({"status": "ok"})


def readyz(meta: Meta) -> HttpResponse:
    """Tell whether requests should be sent here, as it is now; behind the gate it is as it was a second ago."""
    looker = Looker()
    try:
        return readiness_answer(looker.look())
    finally:
        looker.close()


def readiness_answer(found: Mapping[str, str]) -> HttpResponse:
    """Answer what was found: 503 where requests should be sent elsewhere."""
    is_ready = found["status"] in READY
    return JsonResponse(found, status=HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)


def metrics(meta: Meta) -> HttpResponse:
    """Export the Prometheus series of all workers, to whoever may see them."""
    if not _may_see_metrics(meta):
        return problem_answer(UNAUTHENTICATED("The metrics have a token of their own."), meta)
    for attempt in range(1, EXPORT_ATTEMPTS + 1):
        try:
            return cast(HttpResponse, ExportToDjangoView(None))
        except (struct.error, FileNotFoundError, RuntimeError):
            # A worker that is just starting has created its file and not yet written it.
            if attempt == EXPORT_ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def problem_answer(problem: Problem, meta: Meta) -> HttpResponse:
    """Answer a problem from outside Django."""
    return HttpResponse(
        exact_json.dumps(problem.document(meta["PATH_INFO"])), MEDIA_TYPE, problem.status, headers=problem.headers
    )


def _may_see_metrics(meta: Meta) -> bool:
    # The socket's address, never a header: those are the client's to write.
    if settings.METRICS_OPEN_TO_LOOPBACK and meta.get("REMOTE_ADDR") in {"127.0.0.1", "::1"}:
        return True
    expected = f"Bearer {settings.METRICS_TOKEN}"
    return bool(settings.METRICS_TOKEN) and constant_time_compare(meta.get("HTTP_AUTHORIZATION", ""), expected)


MACHINES: dict[str, Callable[[Meta], HttpResponse]] = {"healthz": healthz, "readyz": readyz, "metrics": metrics}
"""What machines ask for, by the path without its slash."""


def machine_view(answer: Callable[[Meta], HttpResponse]) -> View:
    """Return the view of a machine's path, for servers without the gate."""
    return safe_only(lambda request: answer(request.META))
