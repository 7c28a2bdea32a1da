"""The base of all API views: the order of the first checks, and the query parameters."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from rest_framework import viewsets
from rest_framework.request import Request

from rest.operations import Operation
from rest.parameters import NoParameters, Parameters, parameters_of
from rest.problems import MALFORMED_REQUEST


def body_of(request: Request) -> dict[str, Any]:
    """Return the request's JSON object, parsed once (`rest.json_bodies`); an absent body is an empty object."""
    return cast(dict[str, Any], request.data)


def _check_body(body: dict[str, Any], operation: Operation | None) -> None:
    """Refuse a body sent to an operation that has none: it would be ignored, and its sender not know."""
    if operation is not None and operation.body is None and body:
        raise MALFORMED_REQUEST("This operation has no body.")


class ApiViewSet(viewsets.ViewSet):
    """A view set that checks requests in the documented order (docs/api.md, "Which error comes first").

    The token and the right to read come first: without them a client learns nothing, not even which methods exist.
    Then come the method, the acceptable media types, the body's syntax, and the query parameters.
    """

    http_method_names: ClassVar[list[str]] = ["get", "head", "post", "put", "delete"]  # type: ignore[misc]

    query_parameters: ClassVar[dict[str, type[Parameters]]] = {}
    """The query parameters of each action that has any."""

    operations: ClassVar[Mapping[str, Operation]] = {}
    """What each action promises."""

    parameters: dict[str, Any]
    """The validated query parameters of the current request."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.perform_authentication(request)
        self.check_permissions(request)
        if self.action is None:
            self.http_method_not_allowed(request, *args, **kwargs)
        super().initial(request, *args, **kwargs)
        _check_body(body_of(request), self.operations.get(self.action))  # before asking the database
        self.parameters = parameters_of(request, self.query_parameters.get(self.action, NoParameters))
