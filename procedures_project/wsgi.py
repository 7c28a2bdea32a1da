"""The WSGI application: Django, with corrections for what servers and Django get wrong. The gate calls it in threads.

Under another server it stands alone: without the fast path, and without the gate's bounds on what clients can hold.
"""

import gc
import io
import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from procedures_project.fault_reports import fault_reports
from procedures_project.postgresql.waiting import REQUEST_PATIENCE_SECONDS, patience
from procedures_project.tracing import exporter_to, tracing


def with_chunked_bodies(application: WSGIApplication) -> WSGIApplication:
    """Let Django see chunked request bodies, which it takes for empty ones (Django ticket 35838).

    At most one byte more than the largest allowed body is read, so a body that is too large is still seen to be.
    """

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower() and not environ.get("CONTENT_LENGTH"):
            body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return application(environ, start_response)

    return wrapped


def with_patience(application: WSGIApplication) -> WSGIApplication:
    """Let no request wait for a frozen PostgreSQL without end."""

    def wrapped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with patience(REQUEST_PATIENCE_SECONDS):
            return application(environ, start_response)

    return wrapped


def start_telemetry() -> None:
    """Begin traces and reports of faults, where the settings say to whom."""
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        tracing.start(exporter_to(settings.OTEL_EXPORTER_OTLP_ENDPOINT))
    if settings.SENTRY_DSN:
        fault_reports.start(settings.SENTRY_DSN)


def warm_up() -> None:
    """Do now what would be done at the first request or later, so that no client pays for it."""
    from versioned_cache.engine import cache  # noqa: PLC0415  # its modules need the apps

    _ = get_resolver().url_patterns
    cache.look()
    # What is loaded stays. A garbage collection that looked at it would take as long as a read may wait for Redis.
    gc.collect()
    gc.freeze()


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "procedures_project.settings")
django = get_wsgi_application()
application = with_patience(with_chunked_bodies(django))
start_telemetry()
warm_up()
