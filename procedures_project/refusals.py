"""Problems outside of REST framework: a document for programs, a page for people who came with a browser.

It answers Django's own errors (`handler400` and the like in urls.py), the gate's, and those of pages.
"""

import sys
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest, DisallowedHost, RequestDataTooBig, TooManyFieldsSent
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin
from rest_framework.permissions import SAFE_METHODS

from procedures_project.request_records import record_of
from rest import exact_json
from rest.error_answers import HEADERS, MEDIA_TYPE, document_of, failure_of_postgresql
from rest.negotiation import preferred_type
from rest.problems import (
    FORBIDDEN,
    INTERNAL_ERROR,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    PAYLOAD_TOO_LARGE,
    Problem,
)

PAGE = "text/html"
READING_METHODS = ("GET", "HEAD")


def refusal(problem: Problem, meta: dict[str, Any]) -> HttpResponse:
    """Answer a problem in the form that suits the client.

    Args:
        problem: What is wrong.
        meta: The request as WSGI has it (PEP 3333).
    """
    headers = {**HEADERS, "Vary": "Accept", **problem.headers}
    request_id = record_of(meta).id
    if wants_page(meta):
        context = {"problem": problem, "request_id": request_id}
        return HttpResponse(render_to_string("refusal.html", context), status=problem.status, headers=headers)
    return HttpResponse(exact_json.dumps(document_of(problem, meta)), MEDIA_TYPE, problem.status, headers=headers)


def wants_page(meta: Mapping[str, Any]) -> bool:
    """Tell whether a request is a browser's: it would rather have a page than JSON."""
    return preferred_type(meta.get("HTTP_ACCEPT"), [MEDIA_TYPE, "application/json", PAGE]) == PAGE


def method_not_allowed(meta: dict[str, Any], allowed: str = ", ".join(READING_METHODS)) -> HttpResponse:
    """Refuse every method but those that are allowed: by default, those that read."""
    response = refusal(METHOD_NOT_ALLOWED(), meta)
    response["Allow"] = allowed
    return response


class MethodNotAllowedMiddleware(MiddlewareMixin):
    """Gives Django's empty 405 a body; there is no handler for it as there is for other errors."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Replace an empty refusal by a problem, or by a page."""
        is_empty_refusal = isinstance(response, HttpResponseNotAllowed)
        return method_not_allowed(request.META, response["Allow"]) if is_empty_refusal else response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer Django's own 400: a wrong Host, or a form that is too large (handler400)."""
    if isinstance(exception, RequestDataTooBig):
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return refusal(PAYLOAD_TOO_LARGE(f"The limit is {limit} bytes.", limit_bytes=limit), request.META)
    if isinstance(exception, DisallowedHost):
        return refusal(MALFORMED_REQUEST("The Host header does not name this service."), request.META)
    return refusal(MALFORMED_REQUEST(_told(exception)), request.META)


def _told(exception: Exception | None) -> str:
    match exception:
        case TooManyFieldsSent():
            return f"A form has at most {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS} fields."
        case BadRequest() | MultiPartParserError():
            return str(exception)
    return type(exception).__name__ if exception else ""


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer Django's own 403 (handler403)."""
    return refusal(FORBIDDEN(), request.META)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that does not prove that it is one of ours (CSRF_FAILURE_VIEW)."""
    return refusal(
        FORBIDDEN("The form is too old, or did not come from this site. Load its page again, and send it again."),
        request.META,
    )


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a path that matches no route (handler404)."""
    return refusal(NOT_FOUND(), request.META)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a bug, or a failure of PostgreSQL outside of REST framework, such as on a page (handler500)."""
    problem = None
    match sys.exception():
        case (DatabaseError() | InterfaceError()) as error:
            problem = failure_of_postgresql(error, is_write=request.method not in SAFE_METHODS)
    return refusal(problem or INTERNAL_ERROR(), request.META)
