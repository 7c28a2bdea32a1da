"""Strict serializer fields: JSON types are never coerced, and unknown members are never ignored.

A text says something, and everything has a maximum, which is checked before the parts are looked at.
"""

import re
import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, cast

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from rest.exact_json import MAX_SAFE_INTEGER
from rest.timestamps import to_milliseconds, to_wire

# RFC 3339 §5.6. The offset is required: without one the instant would be a guess.
# Python takes +05:99 for +06:39.
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-][0-2]\d:[0-5]\d)", re.ASCII)
SLUG = r"\A[a-z0-9]+(-[a-z0-9]+)*\Z"
NAME = r"\A[a-z][a-z0-9_]*\Z"


def schema_of_text(pattern: str) -> dict[str, Any]:
    """Return the JSON schema of strings that match `pattern`, with the anchors of ECMA 262."""
    return {"type": "string", "pattern": pattern.replace(r"\A", "^").replace(r"\Z", "$")}


SLUG_SCHEMA = {**schema_of_text(SLUG), "maxLength": 63}

MAX_FAULTY_MEMBERS = 100  # of all lists of a body together; whatever comes after them is not looked at
MAX_UNKNOWN_MEMBERS = 100  # of an object that are found
INVISIBLE_CATEGORIES = frozenset("ZCM")  # separators; controls and formats; marks, which need a letter to sit on
# Letters and symbols that fonts draw as nothing: Hangul and Egyptian fillers, the empty Braille cell, the note without
# a head, and the place of an object that is not there.
BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc\U00013441\U00013442\U0001d159")
INVISIBLE = "Use at least one visible character."


def is_visible(text: str) -> bool:
    """Tell whether a text says anything: whether it has a character that people can see (Unicode §4.5)."""
    return any(unicodedata.category(char)[0] not in INVISIBLE_CATEGORIES and char not in BLANKS for char in text)


class StrictCharField(serializers.CharField):
    """A JSON string, kept exactly as it was sent (not trimmed). If it is not empty, it has a visible character."""

    default_error_messages = {"type": "Expected a string.", "invisible": INVISIBLE}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("type")
        text = super().to_internal_value(data)
        if text and not is_visible(text):
            self.fail("invisible")
        return text


@extend_schema_field(SLUG_SCHEMA)
class SlugField(StrictCharField):
    """Lower-case words joined by hyphens, at most 63 characters: `gibson-assembly`."""

    default_error_messages = {"slug": "Use lower-case letters, digits and single hyphens."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 63, **kwargs})

    def to_internal_value(self, data: object) -> str:
        text = super().to_internal_value(data)
        if not re.match(SLUG, text):
            self.fail("slug")
        return text


@extend_schema_field({**schema_of_text(NAME), "maxLength": 63})
class NameField(StrictCharField):
    """A name within a step, at most 63 characters: `total_pmol`."""

    default_error_messages = {"name": "Use lower-case letters, digits and underscores, beginning with a letter."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 63, **kwargs})

    def to_internal_value(self, data: object) -> str:
        text = super().to_internal_value(data)
        if not re.match(NAME, text):
            self.fail("name")
        return text


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer in the range of `rest.exact_json`: not 12.0, not "12", not true."""

    default_error_messages = {"type": "Expected an integer."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": -MAX_SAFE_INTEGER, "max_value": MAX_SAFE_INTEGER, **kwargs})

    def to_internal_value(self, data: object) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("type")
        return data


@extend_schema_field({"type": "number", "description": "At most 15 significant digits, kept as written."})
class StrictNumberField(serializers.Field[Any, Any, Any, Any]):
    """A JSON number: an integer stays an `int`, a fraction becomes a `Decimal`."""

    default_error_messages = {"type": "Expected a number."}

    def to_internal_value(self, data: object) -> int | Decimal:
        if not isinstance(data, int | Decimal) or isinstance(data, bool):
            self.fail("type")
        return data

    def to_representation(self, value: int | Decimal) -> int | Decimal:
        return value


class StrictBooleanField(serializers.BooleanField):
    """`true` or `false`."""

    default_error_messages = {"type": "Expected true or false."}

    def to_internal_value(self, data: object) -> bool:
        if not isinstance(data, bool):
            self.fail("type")
        return data


class StrictChoiceField(serializers.ChoiceField):
    """One of the given strings."""

    default_error_messages = {"invalid_choice": "This must be one of: {choices}."}

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", choices=", ".join(self.choices))
        return data


@extend_schema_field(OpenApiTypes.OBJECT)
class ObjectField(serializers.Field[Any, Any, Any, Any]):
    """A JSON object whose members are checked elsewhere.

    Args:
        max_members: How many it may have; None for objects that are only ever sent to clients.
    """

    default_error_messages = {"type": "Expected an object.", "max_length": "Use at most {max_members} members."}

    def __init__(self, *, max_members: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_members = max_members

    def to_internal_value(self, data: object) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("type")
        if self.max_members is not None and len(data) > self.max_members:
            self.fail("max_length", max_members=self.max_members)
        return data

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


class StrictListField(serializers.ListField):
    """A JSON list of at most `max_length` values, whose number is checked before the values are."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


INSTANT_SCHEMA = {"type": "string", "format": "date-time", "pattern": f"^{RFC_3339.pattern}$", "maxLength": 35}


@extend_schema_field(INSTANT_SCHEMA)
class InstantField(serializers.DateTimeField):
    """An instant: RFC 3339 with an offset, read and written in UTC, to the millisecond."""

    default_error_messages = {"type": "Expected an RFC 3339 timestamp with an offset, such as 2026-11-23T09:14:05Z."}

    def to_internal_value(self, value: object) -> datetime:
        if not isinstance(value, str) or not RFC_3339.fullmatch(value):
            self.fail("type")
        try:
            return to_milliseconds(datetime.fromisoformat(value.upper()).astimezone(UTC))
        except (ValueError, OverflowError):  # 0001-01-01 with an eastern offset is before year 1 in UTC
            self.fail("type")

    def to_representation(self, value: datetime) -> str:
        return to_wire(value)


class ImpatientList(serializers.ListSerializer[Any]):
    """A JSON list of objects, which are no longer checked once the body has enough faulty ones.

    Checking an object costs far more than sending it.
    """

    def run_child_validation(self, data: Any) -> Any:
        context = cast(dict[str, Any], self.context)
        faulty = context.setdefault("faulty_members", 0)
        if faulty >= MAX_FAULTY_MEMBERS:
            raise ValidationError([])
        try:
            return super().run_child_validation(data)
        except ValidationError:
            # An object that contains the faulty one is not counted besides.
            context["faulty_members"] = max(context["faulty_members"], faulty + 1)
            raise


class StrictSerializer(serializers.Serializer[Any]):
    """A JSON object: unknown members are errors, read-only members are accepted and ignored."""

    default_error_messages = {"unknown": "Unknown member."}

    class Meta:
        list_serializer_class = ImpatientList

    def to_internal_value(self, data: Any) -> Any:
        errors: dict[str, Any] = {}
        if isinstance(data, dict):
            unknown = ErrorDetail(str(self.error_messages["unknown"]), code="unknown")
            names = (name for name in data if name not in self.fields)
            errors = {name: [unknown] for name in islice(names, MAX_UNKNOWN_MEMBERS)}
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError({**errors, **error.detail}) from None  # type: ignore[dict-item]  # always a mapping here
        if errors:
            raise ValidationError(errors)
        return value
