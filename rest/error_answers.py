"""How errors are answered as problems: REST framework's exception handler, and Django's own error pages."""

import sys
from collections.abc import Mapping
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response

from rest import exact_json
from rest.findings import findings_of
from rest.problems import (
    FORBIDDEN,
    INTERNAL_ERROR,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    NOT_FOUND,
    OUTCOME_UNKNOWN,
    PAYLOAD_TOO_LARGE,
    PRECONDITION_REQUIRED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    VERSION_MISMATCH,
    Problem,
    ProblemType,
    validation_failed,
)

logger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

GENERIC_TYPES: Mapping[int, ProblemType] = {
    problem_type.status: problem_type
    for problem_type in (
        MALFORMED_REQUEST, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED, NOT_ACCEPTABLE,
        VERSION_MISMATCH, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, PRECONDITION_REQUIRED,
    )
}  # fmt: skip
"""What an exception becomes that is no `Problem`, such as one of REST framework's, by its HTTP status."""

# SQLSTATEs that say that PostgreSQL rolled back: lock_not_available, deadlock_detected, serialization_failure.
ROLLED_BACK = frozenset({"55P03", "40P01", "40001"})


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an error that a view raised (REST framework's EXCEPTION_HANDLER); None lets a bug become a 500."""
    request = context["request"]
    problem = problem_of(error, is_write=_is_write(request))
    if problem is None:
        return None
    document = problem.document(request.path)
    return Response(document, problem.status, headers=dict(problem.headers), content_type=MEDIA_TYPE)


def problem_of(error: Exception, *, is_write: bool) -> Problem | None:
    """Return the problem that an exception is sent as; None if the exception is a bug."""
    match error:
        case Problem():
            return error
        case ValidationError():
            return validation_failed(findings_of(error.detail))
        case APIException():
            return _generic_problem(error)
        case Http404() | PermissionDenied():
            return NOT_FOUND() if isinstance(error, Http404) else FORBIDDEN()
        case OperationalError() | InterfaceError():
            return failure_of_postgresql(error, is_write=is_write)
    return None


def _generic_problem(error: APIException) -> Problem | None:
    """Return a problem of the generic type for the error's status; its members are read from the error's attributes."""
    problem_type = GENERIC_TYPES.get(error.status_code)
    if problem_type is None:
        return None
    return problem_type(str(error.detail), **{name: getattr(error, name) for name in problem_type.members})


def failure_of_postgresql(error: OperationalError | InterfaceError, *, is_write: bool) -> Problem:
    """Return the problem that a failure of PostgreSQL is sent as; after a write the outcome may be unknown."""
    logger.warning("database_unavailable", error=str(error).strip())
    if not is_write:
        return UNAVAILABLE("Try again.")
    if getattr(error.__cause__, "sqlstate", None) in ROLLED_BACK:
        return UNAVAILABLE("Nothing was changed; try again.")
    return OUTCOME_UNKNOWN(
        "Repeat the request with the same Idempotency-Key. If it had none, check first whether it was carried out."
    )


def plain_problem_response(problem: Problem, request: HttpRequest) -> HttpResponse:
    """Send a problem from outside REST framework."""
    return HttpResponse(
        exact_json.dumps(problem.document(request.path)), MEDIA_TYPE, problem.status, headers=problem.headers
    )


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer Django's own 400: a wrong Host, or a form that is too large (handler400)."""
    if isinstance(exception, RequestDataTooBig):
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return plain_problem_response(PAYLOAD_TOO_LARGE(f"The limit is {limit} bytes.", limit_bytes=limit), request)
    if isinstance(exception, DisallowedHost):
        return plain_problem_response(MALFORMED_REQUEST("The Host header does not name this service."), request)
    return plain_problem_response(MALFORMED_REQUEST(type(exception).__name__ if exception else ""), request)


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer Django's own 403 (handler403)."""
    return plain_problem_response(FORBIDDEN(), request)


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer a path that matches no route (handler404)."""
    return plain_problem_response(NOT_FOUND(), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a bug, or a failure of PostgreSQL outside of REST framework, such as on a page (handler500)."""
    match sys.exception():
        case (OperationalError() | InterfaceError()) as error:
            problem = failure_of_postgresql(error, is_write=_is_write(request))
        case _:
            problem = INTERNAL_ERROR()
    return plain_problem_response(problem, request)


def _is_write(request: HttpRequest) -> bool:
    return request.method not in SAFE_METHODS
