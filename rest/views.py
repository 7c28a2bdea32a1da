"""The base of all API views: what is refused first, and the query parameters."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from rest_framework import viewsets
from rest_framework.request import Request

from rest.operations import Operation
from rest.parameters import NoParameters, Parameters, parameters_of


def body_of(request: Request) -> dict[str, Any]:
    """Return the request's JSON object, parsed once (`rest.parsers`); an absent body is an empty object."""
    return cast(dict[str, Any], request.data)


class ApiViewSet(viewsets.ViewSet):
    """A view set whose requests are refused in the documented order (docs/api.md, "Which error comes first").

    Authority comes before everything: whoever has none learns nothing, not even which methods exist.
    After it the method, the acceptable media types, the body's syntax, and the query parameters.
    """

    http_method_names: ClassVar[list[str]] = ["get", "head", "post", "put", "delete"]  # type: ignore[misc]

    query_parameters: ClassVar[dict[str, type[Parameters]]] = {}
    """The parameters of each action that has some."""

    operations: ClassVar[Mapping[str, Operation]] = {}
    """What each action promises."""

    parameters: dict[str, Any]
    """The validated query parameters of the present request."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.perform_authentication(request)
        self.check_permissions(request)
        if self.action is None:
            self.http_method_not_allowed(request, *args, **kwargs)
        super().initial(request, *args, **kwargs)
        body_of(request)  # a malformed one is refused before the database is asked
        self.parameters = parameters_of(request, self.query_parameters.get(self.action, NoParameters))
