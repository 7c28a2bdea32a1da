"""Problem details (RFC 9457): how a problem type is declared, and the types that every part of the service uses.

Each type is declared once. It is an exception: code raises it with what is special about this occurrence
(`raise STEP_OUT_OF_ORDER("…", blocking_steps=["quantify"])`) and catches it by name. /openapi.json is made from the
same declarations. An app keeps its own types in its module `problems`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, ClassVar, TypeAlias, cast

from rest_framework.exceptions import APIException

from rest.findings import Finding
from rest.rate_limits import Exceeded

JSONSchema: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """An extension member of a problem type (RFC 9457 §3.2): its JSON schema, and an example."""

    shape: JSONSchema
    example: Any


class Problem(APIException):
    """An error that is sent to the client. Its subclasses are the problem types; `problem_type` makes them.

    Args:
        detail: What is special about this occurrence, for people.
        extensions: The values of the type's extension members, all of them.

    Raises:
        TypeError: a member is missing, or is not one of the type's.

    Attributes:
        status: The HTTP status.
        slug: The last part of the type's URI, which programs branch on.
        title: A summary for people, the same for every occurrence (RFC 9457 §3.1.3).
        when: A sentence that says when the service sends it.
        members: The extension members.
        headers: HTTP headers that the response carries.
        component: The name of its schema in /openapi.json, such as `RunTooLongProblem`.
    """

    status: ClassVar[HTTPStatus]
    slug: ClassVar[str]
    title: ClassVar[str]
    when: ClassVar[str]
    members: ClassVar[Mapping[str, Member]]
    headers: Mapping[str, str]
    component: ClassVar[str]

    def __init__(self, detail: str = "", **extensions: Any) -> None:
        if extensions.keys() != self.members.keys():
            raise TypeError(f"{self.slug} needs the members {[*self.members]}, not {[*extensions]}.")
        super().__init__(detail, self.slug)
        self.extensions = extensions

    def __str__(self) -> str:
        return str(self.detail) or self.title

    def document(self, instance: str, request_id: str | None) -> dict[str, Any]:
        """Return the problem details object.

        Args:
            instance: The path of the request, percent-encoded.
            request_id: The id of the request in the log; None where it has none, and then the member is absent.
        """
        return {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status.value,
            **({"detail": str(self.detail)} if self.detail else {}),
            "instance": instance,
            **({"request_id": request_id} if request_id else {}),
            **self.extensions,
        }


ProblemType: TypeAlias = type[Problem]


def problem_type(
    status: HTTPStatus, slug: str, title: str, when: str, headers: Mapping[str, str] | None = None, **members: Member
) -> ProblemType:
    """Declare a problem type; the parameters are attributes of `Problem`."""
    component = "".join(word.capitalize() for word in slug.split("-")) + "Problem"
    attributes = {
        "__doc__": when,
        "status": status,
        "status_code": status.value,  # REST framework's name for it
        "slug": slug,
        "title": title,
        "when": when,
        "members": members,
        "headers": headers or {},
        "component": component,
    }
    return cast(ProblemType, type(component, (Problem,), attributes))


FINDING = {
    "type": "object",
    "properties": {
        "pointer": {"type": "string", "description": "Where it is: a JSON pointer into the body (RFC 6901)."},
        "code": {"type": "string", "description": "What is wrong, for programs."},
        "detail": {"type": "string", "description": "What is wrong, for people."},
    },
    "required": ["pointer", "code", "detail"],
}
MAX_FINDINGS = 100
CHALLENGE = {"WWW-Authenticate": "Bearer"}
RETRY_AFTER = {"Retry-After": "1"}

MALFORMED_REQUEST = problem_type(
    HTTPStatus.BAD_REQUEST, "malformed-request", "The request could not be read",
    "The body is not a JSON object, or a header or query parameter cannot be read.",
)  # fmt: skip
VALIDATION_FAILED = problem_type(
    HTTPStatus.BAD_REQUEST, "validation-failed", "The request is not valid",
    f"Some values break rules. At most {MAX_FINDINGS} findings are listed; with far more, checking stops early.",
    errors=Member(
        {"type": "array", "items": FINDING, "minItems": 1, "maxItems": MAX_FINDINGS},
        [{"pointer": "/values/minutes", "code": "type", "detail": "Expected an integer."}],
    ),
    more=Member({"type": "integer", "minimum": 0, "description": "How many more were found than are listed."}, 0),
)  # fmt: skip
UNKNOWN_PARAMETER = problem_type(
    HTTPStatus.BAD_REQUEST, "unknown-parameter", "Unknown query parameter",
    "The operation has no such query parameter.",
    parameter=Member({"type": "string"}, "staus"),
    known=Member({"type": "array", "items": {"type": "string"}}, ["limit", "status"]),
)  # fmt: skip
UNAUTHENTICATED = problem_type(
    HTTPStatus.UNAUTHORIZED, "unauthenticated", "A valid token is required",
    "The token is missing, unknown, expired or revoked.", CHALLENGE,
)  # fmt: skip
FORBIDDEN = problem_type(
    HTTPStatus.FORBIDDEN, "forbidden", "You are not allowed to do this", "The user does not have the required right."
)  # fmt: skip
NOT_FOUND = problem_type(
    HTTPStatus.NOT_FOUND, "not-found", "Not found", "The service has no such path."
)  # fmt: skip
METHOD_NOT_ALLOWED = problem_type(
    HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed",
    "The path does not support this method; `Allow` lists those that it supports.",
)  # fmt: skip
NOT_IMPLEMENTED = problem_type(
    HTTPStatus.NOT_IMPLEMENTED, "not-implemented", "Not implemented",
    "The service does not know the method (methods are in capital letters), or the Transfer-Encoding.",
)  # fmt: skip
NOT_ACCEPTABLE = problem_type(
    HTTPStatus.NOT_ACCEPTABLE, "not-acceptable", "No acceptable representation",
    "The client accepts none of the representations that the operation can send.",
)  # fmt: skip
VERSION_MISMATCH = problem_type(
    HTTPStatus.PRECONDITION_FAILED, "version-mismatch", "The resource has changed",
    "The current version is not one of those in If-Match.",
    current_etag=Member({"type": ["string", "null"]}, '"1795423190124-0c6a1f9e"'),
)  # fmt: skip
PAYLOAD_TOO_LARGE = problem_type(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload-too-large", "The request body is too large",
    "The body is larger than the limit.",
    limit_bytes=Member({"type": "integer"}, 65536),
)  # fmt: skip
UNSUPPORTED_MEDIA_TYPE = problem_type(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type",
    "The body is not `application/json` in UTF-8, or it is compressed.",
)  # fmt: skip
IDEMPOTENCY_KEY_REUSED = problem_type(
    HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", "This Idempotency-Key was used for another request",
    "The same key was sent before with another method, path or body.",
)  # fmt: skip
PRECONDITION_REQUIRED = problem_type(
    HTTPStatus.PRECONDITION_REQUIRED, "precondition-required", "If-Match is required",
    "The request has no If-Match header.",
)  # fmt: skip
REQUEST_TIMEOUT = problem_type(
    HTTPStatus.REQUEST_TIMEOUT, "request-timeout", "The body did not arrive in time",
    "The body came too slowly; nothing was done.",
)  # fmt: skip
TOO_MANY_REQUESTS = problem_type(
    HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", "Too many requests",
    "The token has used up its quota of reads or writes, or too many wrong tokens came from this address; nothing was "
    "done.",
)  # fmt: skip
INTERNAL_ERROR = problem_type(
    HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "Something went wrong on our side", "The service has a bug."
)  # fmt: skip
UNAVAILABLE = problem_type(
    HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "The service is temporarily unavailable",
    "PostgreSQL is down or busy, or too many requests are waiting. Nothing was changed.", RETRY_AFTER,
)  # fmt: skip
OUTCOME_UNKNOWN = problem_type(
    HTTPStatus.SERVICE_UNAVAILABLE, "outcome-unknown", "The outcome of this request is unknown",
    "The connection to PostgreSQL was lost, perhaps before COMMIT, perhaps after it. With the same Idempotency-Key it "
    "is safe to repeat the request.", RETRY_AFTER,
)  # fmt: skip


def problem_types() -> dict[str, ProblemType]:
    """Return every problem type of the service by its slug, once the modules that declare them are loaded."""
    return {kind.slug: kind for kind in Problem.__subclasses__()}


def too_many_requests(detail: str, exceeded: Exceeded) -> Problem:
    """Return the problem of a client that has exceeded a quota; its headers say when to try again."""
    problem = TOO_MANY_REQUESTS(detail)
    problem.headers = exceeded.headers
    return problem


def validation_failed(findings: Sequence[Finding]) -> Problem:
    """Return the problem that lists these findings, or the first of very many."""
    detail = "1 problem" if len(findings) == 1 else f"{len(findings)} problems"
    listed = [asdict(finding) for finding in findings[:MAX_FINDINGS]]
    return VALIDATION_FAILED(detail, errors=listed, more=len(findings) - len(listed))
