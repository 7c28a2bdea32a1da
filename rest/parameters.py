"""Query parameters: declared by a serializer, read from text, and refused if unknown or repeated."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from rest.problems import MALFORMED_REQUEST, UNKNOWN_PARAMETER


class Parameters(serializers.Serializer[Any]):
    """The query parameters of an endpoint. Their values are text, so the fields convert them."""


class NoParameters(Parameters):
    """An endpoint without query parameters."""


def parameters_of(request: Request, declared: type[Parameters]) -> dict[str, Any]:
    """Return the validated query parameters of `request`.

    Raises:
        UNKNOWN_PARAMETER: a parameter is not declared.
        MALFORMED_REQUEST: a parameter is repeated, and which value counts would be a guess.
        ValidationError: a value is wrong.
    """
    known = declared().fields
    for name, values in request.query_params.lists():
        if name not in known:
            raise UNKNOWN_PARAMETER(
                f"{name!r} is not a parameter of this endpoint.", parameter=name, known=sorted(known)
            )
        if len(values) > 1:
            raise MALFORMED_REQUEST(f"The query parameter {name!r} is given {len(values)} times.")
    parameters = declared(data=request.query_params.dict(), context={"request": request})
    parameters.is_valid(raise_exception=True)
    return dict(parameters.validated_data)
