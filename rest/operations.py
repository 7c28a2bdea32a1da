"""What an operation promises, as data beside its view: /openapi.json is made of it (`rest.openapi`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any, TypeAlias

from rest_framework.serializers import BaseSerializer

from rest.problems import (
    FORBIDDEN,
    INTERNAL_ERROR,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNKNOWN_PARAMETER,
    JSONSchema,
    ProblemType,
)

Shape: TypeAlias = BaseSerializer[Any] | type[BaseSerializer[Any]]


class Precondition(Enum):
    """Whether an operation looks at If-Match."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A part of the path, or a header."""

    description: str
    schema: JSONSchema
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; what all operations have in common is not repeated here.

    Attributes:
        id: The name under which generated clients have it.
        path: The parts of its path.
        answer: The shape of a success; `example` is one such body, of a list one item.
        media_type: The media type of a success.
        body: The serializer of the request's body.
        is_revalidated: Whether it answers 304 to a client that holds the current version.
        answers_etag: Whether a success carries an entity tag.
        has_idempotency_key: Whether a repetition is recognised.
        headers: Further headers of a success.
        problems: The types of problem of its own.
    """

    id: str
    summary: str
    description: str
    answer: JSONSchema | Shape
    example: Any
    media_type: str = "application/json"
    path: Mapping[str, Parameter] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK
    body: Shape | None = None
    body_example: Any = None
    is_revalidated: bool = False
    answers_etag: bool = False
    precondition: Precondition = Precondition.NONE
    has_idempotency_key: bool = False
    headers: Mapping[str, Parameter] = field(default_factory=dict)
    problems: tuple[ProblemType, ...] = ()


ANSWERED_BY_ALL = (
    MALFORMED_REQUEST, UNKNOWN_PARAMETER, UNAUTHENTICATED, FORBIDDEN, NOT_ACCEPTABLE, INTERNAL_ERROR, UNAVAILABLE,
)  # fmt: skip
ANSWERED_BY_NONE = (METHOD_NOT_ALLOWED,)
"""What belongs to no operation, and is documented all the same."""
