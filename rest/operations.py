"""What an operation promises, as data next to its view; /openapi.json is made from it (`rest.openapi`)."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias

from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import BaseSerializer

from rest.problems import (
    FORBIDDEN,
    INTERNAL_ERROR,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    NOT_ACCEPTABLE,
    TOO_MANY_REQUESTS,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNKNOWN_PARAMETER,
    JSONSchema,
    ProblemType,
)

Shape: TypeAlias = BaseSerializer[Any] | type[BaseSerializer[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation, without what all operations have in common.

    Attributes:
        id: Its name in generated clients.
        parameters: The parameters of its path, and its headers (`rest.headers`).
        body: The serializer of the request's body; `body_example` is an example of it.
        answer: The shape of a successful answer; `example` is an example of it, or of an item if it is a list.
        problems: The problem types that do not follow from the path, the body and the headers.
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


ANSWERED_BY_ALL = (
    MALFORMED_REQUEST, UNKNOWN_PARAMETER, UNAUTHENTICATED, FORBIDDEN, NOT_ACCEPTABLE, TOO_MANY_REQUESTS, INTERNAL_ERROR,
    UNAVAILABLE,
)  # fmt: skip
ANSWERED_BY_NONE = (METHOD_NOT_ALLOWED,)
"""Problem types that belong to no operation, but are documented too."""
