"""What probes and scrapers ask for: liveness, readiness, metrics."""

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt

from procedures_project.metrics import MEDIA_TYPE as METRICS_MEDIA_TYPE
from procedures_project.metrics import metrics_page
from procedures_project.readiness import Looker
from procedures_project.refusals import READING_METHODS, method_not_allowed, refusal
from rest.problems import UNAUTHENTICATED

READY = frozenset({"ok", "degraded"})

View = Callable[..., HttpResponse]
Meta = dict[str, Any]
"""A request's headers as WSGI has them (PEP 3333)."""


def safe_only(view: View) -> View:
    """Let only GET and HEAD through; the refusal is a problem like any other."""

    @csrf_exempt  # so that nothing is refused for a reason that is not the first one
    @wraps(view)
    def wrapped(request: HttpRequest, **path: Any) -> HttpResponse:
        return view(request, **path) if request.method in READING_METHODS else method_not_allowed(request.META)

    return wrapped


def healthz(meta: Meta) -> HttpResponse:
    """Say that the process answers. Asks nobody else, so a broken database does not get workers killed."""
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
        return refusal(UNAUTHENTICATED("The metrics have a token of their own."), meta)
    return HttpResponse(metrics_page(), content_type=METRICS_MEDIA_TYPE)


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
