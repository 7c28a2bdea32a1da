"""The named schemas of /openapi.json: one for each serializer and each problem type."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import Direction
from rest_framework.fields import Field, empty
from rest_framework.serializers import ListSerializer, Serializer

from rest.fields import ObjectField, StrictCharField, StrictSerializer
from rest.headers import REQUEST_ID_SHAPE
from rest.problems import JSONSchema, ProblemType

AnyField: TypeAlias = Field[Any, Any, Any, Any]

IGNORED: JSONSchema = {"description": "Ignored, so that you can send back what GET returned."}

MEMBERS: JSONSchema = {
    "type": {"type": "string", "description": "The problem type. Programs branch on it."},
    "title": {"type": "string", "description": "The problem type in a few words."},
    "status": {"type": "integer"},
    "detail": {"type": "string", "description": "What is specific to this occurrence."},
    "instance": {"type": "string", "format": "uri-reference", "description": "The path of the request."},
    "request_id": {**REQUEST_ID_SHAPE, "description": "The id of this request in the service's log."},
}


class SerializerSchema(OpenApiSerializerExtension):
    """Makes the schema of a serializer: which members are always present, and which are refused."""

    target_class = Serializer
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> JSONSchema:
        self.target_class = type(self.target)  # the class that `super` maps
        schema: JSONSchema = {"properties": {}, **super().map_serializer(auto_schema, direction)}
        properties = schema["properties"]
        fields: Mapping[str, AnyField] = self.target.fields
        for name in properties:
            properties[name].update(_limits(fields[name]))
        if direction == "response":
            schema["required"] = sorted(name for name in properties if _is_always_answered(fields[name]))
        elif isinstance(self.target, StrictSerializer):
            for name in properties:
                properties[name] = {**_must_be_visible(fields[name]), **properties[name]}
            properties.update({name: IGNORED for name, field in fields.items() if field.read_only})
            schema["additionalProperties"] = False
        return schema


def _limits(field: AnyField) -> JSONSchema:
    """Return the limits of a list of nested objects or of an object; drf-spectacular finds those of other fields."""
    limits: dict[str, int | None] = {}
    if isinstance(field, ListSerializer):
        limits = {"minItems": field.min_length, "maxItems": field.max_length}  # type: ignore[attr-defined]  # no stubs
    elif isinstance(field, ObjectField):
        limits = {"maxProperties": field.max_members}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _must_be_visible(field: AnyField) -> JSONSchema:
    """Return what a pattern can say of `is_visible`, for the texts that may not be empty."""
    return {"pattern": r"\S"} if isinstance(field, StrictCharField) and not field.allow_blank else {}


def _is_always_answered(field: AnyField) -> bool:
    return field.required or field.read_only or field.default is not empty


def problem_component(problem_type: ProblemType, members: Mapping[str, JSONSchema]) -> ResolvedComponent:
    """Return the component of a problem type, with the schemas of its own members.

    Each component repeats the members that all have, because client generators give up on an `allOf`.
    """
    constants = {"type": uri_of(problem_type), "status": problem_type.status.value}
    properties = {**MEMBERS, **members}
    for name, value in constants.items():
        properties[name] = {**properties[name], "const": value}
    schema = {
        "type": "object",
        "description": problem_type.when,
        "properties": properties,
        "required": [name for name in properties if name != "detail"],
    }
    return ResolvedComponent(problem_type.component, ResolvedComponent.SCHEMA, schema, object=problem_type.slug)


def problem_example(problem_type: ProblemType) -> dict[str, Any]:
    """Return an example body of a problem type."""
    return {
        "type": uri_of(problem_type),
        "title": problem_type.title,
        "status": problem_type.status.value,
        "instance": "/runs/019aa7f2-6c1e-7d3a-9b1f-2f5e8f0a1c11",
        "request_id": "5f0c2b8e9d4a4c1f8b7e6a5d4c3b2a19",
        **{name: member.example for name, member in problem_type.members.items()},
    }


def uri_of(problem_type: ProblemType) -> str:
    """Return the member `type` of problems of this type."""
    return f"/problems/{problem_type.slug}"
