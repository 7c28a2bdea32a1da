"""The WSGI application, with what every server in front of it gets wrong put right."""

import io
import os
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from procedures_project.postgresql.waiting import REQUEST_PATIENCE_SECONDS, patience

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def with_chunked_bodies(application: Application) -> Application:
    """Let Django see chunked request bodies, which it takes for empty ones (Django ticket 35838).

    At most one byte more than the largest allowed body is read, so a body that is too large is still seen to be.
    """

    def wrapped(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower() and not environ.get("CONTENT_LENGTH"):
            body = environ["wsgi.input"].read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
            environ["wsgi.input"] = io.BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return application(environ, start_response)

    return wrapped


def with_patience(application: Application) -> Application:
    """Let no request wait for a frozen PostgreSQL without end."""

    def wrapped(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        with patience(REQUEST_PATIENCE_SECONDS):
            return application(environ, start_response)

    return wrapped


def warm_up() -> None:
    """Load now what Django loads at the first request, so that no client pays for it."""
    from procedures.versioned_cache.engine import cache  # noqa: PLC0415  # its modules need the apps

    _ = get_resolver().url_patterns
    cache.is_reachable()


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "procedures_project.settings")
application = with_patience(with_chunked_bodies(get_wsgi_application()))
warm_up()
