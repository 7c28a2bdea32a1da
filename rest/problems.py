"""Problem details (RFC 9457): every error this service answers, whoever found it.

An app says how its own errors read over HTTP by registering them with `problem_for`, next to its views.
"""

from functools import singledispatch
from http import HTTPStatus

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.utils.encoding import escape_uri_path
from rest_framework import exceptions

from rest.findings import Finding, findings_of
from rest.rate_limits import Exceeded

logger = structlog.get_logger(__name__)

RETRY_AFTER = {"Retry-After": "1"}

# With these PostgreSQL says itself that it rolled back: lock_not_available, deadlock_detected, serialization_failure.
ROLLED_BACK = frozenset({"55P03", "40P01", "40001"})


class Problem(exceptions.APIException):
    """An error as HTTP tells it: a status, a type that programs branch on, and members of its own."""

    def __init__(
        self,
        status: HTTPStatus,
        slug: str,
        title: str,
        detail: str = "",
        *,
        headers: dict[str, str] | None = None,
        **extensions: object,
    ) -> None:
        super().__init__(detail or title, slug)
        self.status = status
        self.slug = slug
        self.title = title
        self.explanation = detail
        self.headers = headers or {}
        self.extensions = extensions

    def document(self, instance: str) -> dict[str, object]:
        """Return the problem details object; `instance` is the path of the request."""
        return {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status.value,
            **({"detail": self.explanation} if self.explanation else {}),
            "instance": escape_uri_path(instance),
            **self.extensions,
        }


class MalformedRequest(Problem):
    """The request cannot be understood at all."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, "malformed-request", "The request could not be read", detail)


class ValidationFailed(Problem):
    """The request was understood, and is wrong: `errors` lists every finding."""

    def __init__(self, findings: list[Finding], title: str = "The request is not valid") -> None:
        super().__init__(
            HTTPStatus.BAD_REQUEST,
            "validation-failed",
            title,
            "1 problem" if len(findings) == 1 else f"{len(findings)} problems",
            errors=[
                {"pointer": finding.pointer, "code": finding.code, "detail": finding.detail} for finding in findings
            ],
        )


class UnknownParameter(Problem):
    """A query parameter that the endpoint does not have: a mistyped filter must not return everything."""

    def __init__(self, parameter: str, known: list[str]) -> None:
        super().__init__(
            HTTPStatus.BAD_REQUEST,
            "unknown-parameter",
            "Unknown query parameter",
            f"{parameter!r} is not a parameter of this endpoint.",
            parameter=parameter,
            known=known,
        )


class PayloadTooLarge(Problem):
    """The body is larger than the service reads."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "payload-too-large",
            "The body is too large",
            f"At most {limit_bytes} bytes are read.",
            limit_bytes=limit_bytes,
        )


class UnsupportedMediaType(Problem):
    """The body is of a kind that the service does not read."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "The body's media type is not supported",
            detail,
        )


class TooManyRequests(Problem):
    """The client has used up a quota (RFC 6585 §4); nothing was done."""

    def __init__(self, detail: str, exceeded: Exceeded) -> None:
        super().__init__(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too-many-requests",
            "Too many requests",
            detail,
            headers=exceeded.headers,
        )


class Unavailable(Problem):
    """PostgreSQL is down, or too busy to answer in time; nothing was changed."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "unavailable",
            "The service is temporarily unavailable",
            detail,
            headers=RETRY_AFTER,
        )


class OutcomeUnknown(Problem):
    """The connection to PostgreSQL was lost during a write: before its COMMIT or after it, which nobody can tell."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "outcome-unknown",
            "It is not known whether this was done",
            "Repeat it with the same Idempotency-Key; if it had none, read first what there is now.",
            headers=RETRY_AFTER,
        )


def not_found(slug: str = "not-found", title: str = "There is nothing here", **extensions: object) -> Problem:
    """Return a 404."""
    return Problem(HTTPStatus.NOT_FOUND, slug, title, **extensions)  # type: ignore[arg-type]  # extensions only


def failure_of_postgresql(error: OperationalError | InterfaceError, *, is_write: bool) -> Problem:
    """Return how a failure of PostgreSQL reads over HTTP, to whoever wanted to read or to write."""
    logger.warning("database_unavailable", error=str(error).strip())
    if not is_write:
        return Unavailable("Try again.")
    if getattr(error.__cause__, "sqlstate", None) in ROLLED_BACK:
        return Unavailable("Nothing was changed; try again.")
    return OutcomeUnknown()


@singledispatch
def problem_for(error: Exception) -> Problem | None:
    """Return how an error reads over HTTP; None for one that nobody registered, which is a bug."""
    return None


@problem_for.register
def _(error: Problem) -> Problem:
    return error


@problem_for.register
def _(error: exceptions.APIException) -> Problem | None:
    if error.status_code == HTTPStatus.PRECONDITION_REQUIRED:
        return Problem(
            HTTPStatus.PRECONDITION_REQUIRED, "precondition-required", "If-Match is required", str(error.detail)
        )
    if error.status_code == HTTPStatus.PRECONDITION_FAILED:
        current = getattr(error, "current_etag", None)
        return Problem(
            HTTPStatus.PRECONDITION_FAILED,
            "version-mismatch",
            "It has changed since",
            str(error.detail),
            current_etag=current,
        )
    return None


@problem_for.register
def _(_error: Http404) -> Problem:
    return not_found()


@problem_for.register
def _(_error: PermissionDenied | exceptions.PermissionDenied) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "forbidden", "You may not do this")


@problem_for.register
def _(error: exceptions.NotAuthenticated | exceptions.AuthenticationFailed) -> Problem:
    return Problem(
        HTTPStatus.UNAUTHORIZED,
        "unauthenticated",
        "A valid token is required",
        "" if isinstance(error, exceptions.NotAuthenticated) else str(error.detail),
        headers={"WWW-Authenticate": "Bearer"},
    )


@problem_for.register
def _(error: exceptions.MethodNotAllowed) -> Problem:
    return Problem(
        HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", "This method is not allowed here", str(error.detail)
    )


@problem_for.register
def _(error: exceptions.NotAcceptable) -> Problem:
    return Problem(HTTPStatus.NOT_ACCEPTABLE, "not-acceptable", "No representation is acceptable", str(error.detail))


@problem_for.register
def _(error: exceptions.UnsupportedMediaType) -> Problem:
    return UnsupportedMediaType(str(error.detail))


@problem_for.register
def _(error: exceptions.ParseError) -> Problem:
    return MalformedRequest(str(error.detail))


@problem_for.register
def _(error: exceptions.ValidationError) -> Problem:
    return ValidationFailed(findings_of(error.detail))
