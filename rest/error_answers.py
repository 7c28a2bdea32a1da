"""Answering errors: REST framework's exception handler, and Django's own error pages."""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response

from rest import exact_json
from rest.problems import (
    MalformedRequest,
    PayloadTooLarge,
    Problem,
    failure_of_postgresql,
    not_found,
    problem_for,
)

MEDIA_TYPE = "application/problem+json"


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an error raised in a view (REST framework's EXCEPTION_HANDLER); None lets a bug become a 500."""
    request = context["request"]
    problem = _problem_of(error, request.method)
    if problem is None:
        return None
    response = Response(problem.document(request.path), problem.status, content_type=MEDIA_TYPE)
    allowed = {"Allow": ", ".join(context["view"].allowed_methods)} if problem.slug == "method-not-allowed" else {}
    for name, value in {**problem.headers, **allowed}.items():
        response[name] = value
    return response


def _problem_of(error: Exception, method: str) -> Problem | None:
    if isinstance(error, OperationalError | InterfaceError):
        return failure_of_postgresql(error, is_write=method not in SAFE_METHODS)
    return problem_for(error)


def plain_problem_response(problem: Problem, request: HttpRequest) -> HttpResponse:
    """Answer a problem from outside REST framework."""
    return HttpResponse(
        exact_json.dumps(problem.document(request.path)), MEDIA_TYPE, problem.status, headers=problem.headers
    )


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer Django's own 400, such as a wrong Host, and a form that is too large (handler400)."""
    if isinstance(exception, RequestDataTooBig):
        return plain_problem_response(PayloadTooLarge(settings.DATA_UPLOAD_MAX_MEMORY_SIZE), request)
    return plain_problem_response(MalformedRequest(type(exception).__name__ if exception else ""), request)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer Django's own 403 (handler403)."""
    return plain_problem_response(Problem(HTTPStatus.FORBIDDEN, "forbidden", "You may not do this"), request)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a path that no route knows (handler404)."""
    return plain_problem_response(not_found(), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a bug (handler500)."""
    return plain_problem_response(
        Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "Something went wrong on our side"), request
    )
