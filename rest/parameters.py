"""Query parameters: declared by a serializer, read from text, and refused if unknown or repeated; numbers in texts."""

import re
from typing import Any
from urllib.parse import unquote_to_bytes

from rest_framework import serializers
from rest_framework.request import Request

from rest.problems import MALFORMED_REQUEST, UNKNOWN_PARAMETER

NUMBER = re.compile("[0-9]{1,18}")  # PostgreSQL's bigint holds these, and Python reads them; it refuses 4,300 digits


def number_in(text: str) -> int | None:
    """Return the whole number that a text is, in plain digits; None for any other text, or for one too long."""
    return int(text) if NUMBER.fullmatch(text) else None


class Parameters(serializers.Serializer[Any]):
    """The query parameters of an endpoint. Their values are text, so the fields convert them."""


class NumberField(serializers.IntegerField):
    """A whole number in plain digits. Python also reads "1_0", "+5", " 5", "5.0", and the digits of other scripts."""

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch("[0-9]+", data):
            self.fail("invalid")
        return super().to_internal_value(data)


class NoParameters(Parameters):
    """An endpoint without query parameters."""


def parameters_of(request: Request, declared: type[Parameters]) -> dict[str, Any]:
    """Return the validated query parameters of `request`.

    Raises:
        UNKNOWN_PARAMETER: a parameter is not declared.
        MALFORMED_REQUEST: a parameter is repeated, and which value counts would be a guess; or one is not UTF-8.
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
    _check_encoding(request.META.get("QUERY_STRING", ""))
    parameters = declared(data=request.query_params.dict(), context={"request": request})
    parameters.is_valid(raise_exception=True)
    return dict(parameters.validated_data)


def _check_encoding(query: str) -> None:
    """Refuse bytes that are not UTF-8, which Django would replace."""
    try:
        unquote_to_bytes(query.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise MALFORMED_REQUEST("The query is not UTF-8.") from None
