"""What an operation promises, as data beside its view: /openapi.json is made of it (`rest.openapi`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import BaseSerializer

JSONSchema: TypeAlias = dict[str, Any]
Shape: TypeAlias = BaseSerializer[Any] | type[BaseSerializer[Any]]


@dataclass(frozen=True, slots=True)
class Member:
    """A member that problems of one type have beside those of RFC 9457: its shape, and an example."""

    shape: JSONSchema | Shape
    example: Any


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A type of problem: what programs branch on.

    Attributes:
        title: Its title, the same each time.
        when: A sentence about when it is answered.
        members: The members of its own.
    """

    status: HTTPStatus
    slug: str
    title: str
    when: str
    members: Mapping[str, Member] = field(default_factory=dict)

    @property
    def component(self) -> str:
        """The name of its component: `RunTooLongProblem`."""
        return "".join(word.capitalize() for word in self.slug.split("-")) + "Problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation; what all operations have in common is not repeated here.

    Attributes:
        id: Its name in generated clients.
        parameters: The parameters of its path, and its headers (`rest.headers`).
        body: The serializer of the request's body; `body_example` is such a body.
        answer: The shape of a success; `example` is such a body, or an item of one that is a list.
        problems: The types of problem that not every operation with such a path, body and headers has.
    """

    id: str
    summary: str
    description: str
    parameters: tuple[OpenApiParameter, ...] = ()
    body: Shape | None = None
    body_example: Any = None
    status: HTTPStatus = HTTPStatus.OK
    media_type: str = "application/json"
    answer: JSONSchema | Shape
    example: Any
    problems: tuple[ProblemType, ...] = ()


FINDING = {
    "type": "object",
    "properties": {
        "pointer": {"type": "string", "description": "Where: a JSON pointer into the body (RFC 6901)."},
        "code": {"type": "string", "description": "What, for programs."},
        "detail": {"type": "string", "description": "What, for people."},
    },
    "required": ["pointer", "code", "detail"],
}

MALFORMED_REQUEST = ProblemType(
    HTTPStatus.BAD_REQUEST, "malformed-request", "The request could not be read",
    "The body is no JSON object, a header or a query parameter cannot be read.",
)  # fmt: skip
VALIDATION_FAILED = ProblemType(
    HTTPStatus.BAD_REQUEST, "validation-failed", "The request is not valid",
    "Values break rules; every finding is listed.",
    {"errors": Member(
        {"type": "array", "items": FINDING, "minItems": 1},
        [{"pointer": "/values/minutes", "code": "type", "detail": "Expected an integer."}],
    )},
)  # fmt: skip
UNKNOWN_PARAMETER = ProblemType(
    HTTPStatus.BAD_REQUEST, "unknown-parameter", "Unknown query parameter",
    "A query parameter is none of the operation's.",
    {
        "parameter": Member({"type": "string"}, "staus"),
        "known": Member({"type": "array", "items": {"type": "string"}}, ["limit", "status"]),
    },
)  # fmt: skip
UNAUTHENTICATED = ProblemType(
    HTTPStatus.UNAUTHORIZED, "unauthenticated", "A valid token is required",
    "There is no token, or it is unknown, expired or revoked.",
)  # fmt: skip
FORBIDDEN = ProblemType(
    HTTPStatus.FORBIDDEN, "forbidden", "You may not do this", "The token's user lacks the right."
)  # fmt: skip
NOT_FOUND = ProblemType(
    HTTPStatus.NOT_FOUND, "not-found", "There is nothing here", "No path of the service looks like this."
)  # fmt: skip
METHOD_NOT_ALLOWED = ProblemType(
    HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", "This method is not allowed here",
    "The path has no such operation; `Allow` lists those that it has.",
)  # fmt: skip
NOT_ACCEPTABLE = ProblemType(
    HTTPStatus.NOT_ACCEPTABLE, "not-acceptable", "No representation is acceptable",
    "The client accepts nothing that the operation answers.",
)  # fmt: skip
VERSION_MISMATCH = ProblemType(
    HTTPStatus.PRECONDITION_FAILED, "version-mismatch", "It has changed since",
    "The current version is none of those in If-Match.",
    {"current_etag": Member({"type": ["string", "null"]}, '"1795423190124-0c6a1f9e"')},
)  # fmt: skip
PAYLOAD_TOO_LARGE = ProblemType(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "payload-too-large", "The body is too large",
    "The body has more bytes than are read.",
    {"limit_bytes": Member({"type": "integer"}, 65536)},
)  # fmt: skip
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body's media type is not supported",
    "The body is no `application/json` in UTF-8 without a content coding.",
)  # fmt: skip
IDEMPOTENCY_KEY_REUSED = ProblemType(
    HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The Idempotency-Key was used for another request",
    "The Idempotency-Key belongs to another request.",
)  # fmt: skip
PRECONDITION_REQUIRED = ProblemType(
    HTTPStatus.PRECONDITION_REQUIRED, "precondition-required", "If-Match is required", "If-Match is absent."
)  # fmt: skip
TOO_MANY_REQUESTS = ProblemType(
    HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", "Too many requests",
    "The token has used up its quota of reads or writes, or too many wrong tokens came from this address; nothing was "
    "done.",
)  # fmt: skip
INTERNAL_ERROR = ProblemType(
    HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "Something went wrong on our side", "The service has a bug."
)  # fmt: skip
UNAVAILABLE = ProblemType(
    HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "The service is temporarily unavailable",
    "PostgreSQL is down or busy; nothing was changed.",
)  # fmt: skip
OUTCOME_UNKNOWN = ProblemType(
    HTTPStatus.SERVICE_UNAVAILABLE, "outcome-unknown", "It is not known whether this was done",
    "The connection to PostgreSQL was lost: perhaps before COMMIT, perhaps after it. The same Idempotency-Key makes it "
    "safe to repeat the request.",
)  # fmt: skip

ANSWERED_BY_ALL = (
    MALFORMED_REQUEST, UNKNOWN_PARAMETER, UNAUTHENTICATED, FORBIDDEN, NOT_ACCEPTABLE, TOO_MANY_REQUESTS, INTERNAL_ERROR,
    UNAVAILABLE,
)  # fmt: skip
ANSWERED_BY_NONE = (METHOD_NOT_ALLOWED,)
"""What belongs to no operation, and is documented all the same."""
