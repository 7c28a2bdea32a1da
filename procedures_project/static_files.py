"""Static files: which are collected (those that some page loads), and how they are served."""

from typing import Any, cast

from django.contrib.staticfiles import apps
from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware

from procedures_project.refusals import READING_METHODS, method_not_allowed
from versioned_cache.codings import Coding, preferred_coding


class StaticFiles(apps.StaticFilesConfig):
    """Django's app, without what comes along in the sidecar: another viewer, source maps, most of its bytes."""

    ignore_patterns = [*apps.StaticFilesConfig.ignore_patterns, "redoc", "*.map", "oauth2-*", "*-standalone-*"]


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Serves the files as WhiteNoise does, but refuses other methods with a problem and not with an empty 405."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Answer with a file, or refuse the method."""
        if request.method not in READING_METHODS:
            return method_not_allowed(request.META)
        if preferred_coding(request.META.get("HTTP_ACCEPT_ENCODING")) is not Coding.GZIP:
            request.META.pop("HTTP_ACCEPT_ENCODING", None)  # WhiteNoise would take `gzip;q=0` for a wish
        return cast(HttpResponse, WhiteNoiseMiddleware.serve(static_file, request))
