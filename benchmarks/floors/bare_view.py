"""A Django view without middleware, without authentication and without a cache, which answers bytes it holds."""

import os
from pathlib import Path

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import re_path

BODY = Path(os.environ["BODY_FILE"]).read_bytes()
HEADERS = {"Content-Length": str(len(BODY))}  # without it, granian answers in chunks


def answer(_request: HttpRequest) -> HttpResponse:
    """Answer the bytes."""
    return HttpResponse(BODY, "application/json", headers=HEADERS)


urlpatterns = [re_path("", answer)]

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, MIDDLEWARE=[], SECRET_KEY="-" * 50, USE_TZ=True, USE_I18N=False
)
application: WSGIHandler = get_wsgi_application()
