"""The JSON schemas of the strict fields and serializers: what they enforce, in terms that a client's tools read."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework.fields import Field, empty
from rest_framework.serializers import ListSerializer

from rest.exact_json import MAX_SAFE_INTEGER
from rest.fields import NAME, RFC_3339, SLUG, StrictSerializer
from rest.problems import JSONSchema

PASSED_OVER = "Passed over: what GET answered can be sent back."


def ecma_pattern(python_pattern: str) -> str:
    """Translate the anchors of a pattern to those of ECMA 262, which JSON Schema speaks."""
    return python_pattern.replace(r"\A", "^").replace(r"\Z", "$")


class SlugSchema(OpenApiSerializerFieldExtension):
    """`SlugField`."""

    target_class = "rest.fields.SlugField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> JSONSchema:
        return {"type": "string", "pattern": ecma_pattern(SLUG)}


class NameSchema(OpenApiSerializerFieldExtension):
    """`NameField`."""

    target_class = "rest.fields.NameField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> JSONSchema:
        return {"type": "string", "pattern": ecma_pattern(NAME)}


class ChoiceSchema(OpenApiSerializerFieldExtension):
    """Choices: where they are used, rather than as components of invented names."""

    target_class = "rest_framework.fields.ChoiceField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> JSONSchema:
        return {"type": "string", "enum": list(self.target.choices)}


class StrictIntegerSchema(OpenApiSerializerFieldExtension):
    """`StrictIntegerField`, within what `rest.exact_json` reads."""

    target_class = "rest.fields.StrictIntegerField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> JSONSchema:
        least, greatest = self.target.min_value, self.target.max_value
        return {
            "type": "integer",
            "minimum": -MAX_SAFE_INTEGER if least is None else least,
            "maximum": MAX_SAFE_INTEGER if greatest is None else greatest,
        }


class StrictNumberSchema(OpenApiSerializerFieldExtension):
    """`StrictNumberField`."""

    target_class = "rest.fields.StrictNumberField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> JSONSchema:
        return {"type": "number", "description": "At most 15 significant digits; they are kept as they are written."}


class ObjectSchema(OpenApiSerializerFieldExtension):
    """`ObjectField`."""

    target_class = "rest.fields.ObjectField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> JSONSchema:
        return {"type": "object", "additionalProperties": {}}


class InstantSchema(OpenApiSerializerFieldExtension):
    """`InstantField`."""

    target_class = "rest.fields.InstantField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> JSONSchema:
        pattern = {"pattern": f"^{RFC_3339.pattern}$"} if direction == "request" else {}
        return {"type": "string", "format": "date-time", **pattern}


class SerializerSchema(OpenApiSerializerExtension):
    """All serializers: what is always answered, and what is refused."""

    target_class = "rest_framework.serializers.Serializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> JSONSchema:
        schema: JSONSchema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        fields: dict[str, Field[Any, Any, Any, Any]] = self.target.fields
        properties = schema.get("properties", {})
        for name in properties:
            properties[name].update(_length_of(fields[name]))
        if direction == "response":
            required = [name for name in properties if not _may_be_absent(fields[name])]
            return {**schema, **({"required": sorted(required)} if required else {})}
        if not isinstance(self.target, StrictSerializer):
            return schema
        passed_over = {name: {"description": PASSED_OVER} for name, field in fields.items() if field.read_only}
        required = [name for name in schema.get("required", []) if name not in passed_over]
        schema = {**schema, "properties": {**properties, **passed_over}, "additionalProperties": False}
        return {**schema, "required": required} if required else schema


def _length_of(field: Field[Any, Any, Any, Any]) -> JSONSchema:
    """Return how long the list of a nested serializer may be; that of other fields is in their validators."""
    if not isinstance(field, ListSerializer):
        return {}
    shortest = 1 if not field.allow_empty else field.min_length  # type: ignore[attr-defined]  # the stubs lack both
    longest = field.max_length  # type: ignore[attr-defined]
    return {
        **({"minItems": shortest} if shortest else {}),
        **({"maxItems": longest} if longest is not None else {}),
    }


def _may_be_absent(field: Field[Any, Any, Any, Any]) -> bool:
    return not field.required and not field.read_only and field.default is empty
