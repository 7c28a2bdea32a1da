"""How errors are answered as problems: REST framework's exception handler, and Django's own error pages."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, DataError, InterfaceError, connection
from django.http import Http404, HttpRequest
from django.utils.encoding import escape_uri_path
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response

from rest.findings import findings_of
from rest.outage import outage_log
from rest.problems import (
    FORBIDDEN,
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
from rest.sqlstates import Meaning, meaning_of

MEDIA_TYPE = "application/problem+json"
HEADERS = {"Cache-Control": "no-store"}
REQUEST_ID = "procedures.request_id"  # in a request's WSGI form: its id in the log
RAW_URI = "RAW_URI"  # in a request's WSGI form: the name that servers give to the target as it was sent
PATH_CHARACTERS = "/:@!$&'()*+,;=~%"  # those of a path that stand for themselves (RFC 3986 §3.3)

GENERIC_TYPES: Mapping[int, ProblemType] = {
    problem_type.status: problem_type
    for problem_type in (
        MALFORMED_REQUEST, UNAUTHENTICATED, FORBIDDEN, NOT_FOUND, METHOD_NOT_ALLOWED, NOT_ACCEPTABLE,
        VERSION_MISMATCH, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, PRECONDITION_REQUIRED,
    )
}  # fmt: skip
"""What other exceptions than problems become, such as REST framework's, by their HTTP status."""


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an error that a view raised (REST framework's EXCEPTION_HANDLER); None lets a bug become a 500."""
    request = context["request"]
    problem = problem_of(error, is_write=_is_write(request))
    if problem is None:
        return None
    return Response(
        document_of(problem, request.META),
        problem.status,
        headers={**HEADERS, **problem.headers},
        content_type=MEDIA_TYPE,
    )


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
        case DatabaseError() | InterfaceError():
            return failure_of_postgresql(error, is_write=is_write)
    return None


def _generic_problem(error: APIException) -> Problem | None:
    """Return a problem of the generic type for the error's status; its members are read from the error's attributes."""
    problem_type = GENERIC_TYPES.get(error.status_code)
    if problem_type is None:
        return None
    return problem_type(str(error.detail), **{name: getattr(error, name) for name in problem_type.members})


def failure_of_postgresql(error: DatabaseError | InterfaceError, *, is_write: bool) -> Problem | None:
    """Return the problem that a failure of PostgreSQL is sent as; None if the failure is a bug.

    The outcome of a write is unknown only where something may have been committed. To be called in the request's own
    thread.
    """
    sqlstate = getattr(error.__cause__, "sqlstate", None)
    meaning = meaning_of(sqlstate)
    if meaning is Meaning.FAULT or isinstance(error, DataError):  # psycopg refuses NUL before any server sees it
        return None
    outage_log.report(error, sqlstate)
    if not is_write:
        return UNAVAILABLE("Try again.")
    # Our backend knows whether the request has come to a COMMIT; with another, whatever was lost may have been done.
    if getattr(connection, "may_have_committed", meaning is Meaning.LOST):
        return OUTCOME_UNKNOWN(
            "Repeat the request with the same Idempotency-Key. If it had none, check first whether it was carried out."
        )
    return UNAVAILABLE("Nothing was changed; try again.")


def document_of(problem: Problem, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the problem details of a problem with a request, given in WSGI form."""
    return problem.document(path_of(meta), meta.get(REQUEST_ID))


def path_of(meta: Mapping[str, Any]) -> str:
    """Return the path of a request in WSGI form, percent-encoded: as its client has sent it, if the server tells."""
    as_sent = meta.get(RAW_URI)
    if as_sent is None:
        return str(escape_uri_path(meta["PATH_INFO"]))
    return quote(as_sent.partition("?")[0].encode("latin-1"), safe=PATH_CHARACTERS)


def _is_write(request: HttpRequest) -> bool:
    return request.method not in SAFE_METHODS
