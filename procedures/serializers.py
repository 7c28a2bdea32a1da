"""The JSON shapes of procedures, and the rules that a definition must follow to be published."""

from collections.abc import Mapping
from typing import Any, cast

from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from procedures.definitions import Definition
from procedures.models import Ordering, Procedure, ProcedureStatus
from procedures.patterns import Compiling, InvalidPattern, PatternTooLarge
from procedures.slots import NUMERIC_TYPES, OPTION_TYPES, SlotType
from rest.fields import (
    InstantField,
    NameField,
    SlugField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
    StrictNumberField,
    StrictSerializer,
)

Errors = dict[str, list[ErrorDetail]]

# The members that a slot may have besides key, label, type and required, by its type.
EXTRA_MEMBERS: dict[str, frozenset[str]] = {
    SlotType.TEXT: frozenset({"pattern", "min_length", "max_length"}),
    SlotType.INTEGER: frozenset({"unit", "min", "max", "out_of_range"}),
    SlotType.DECIMAL: frozenset({"unit", "min", "max", "out_of_range", "decimals"}),
    SlotType.CHOICE: frozenset({"options"}),
    SlotType.MULTI_CHOICE: frozenset({"options"}),
}
MAX_OPTIONS = 100
MAX_OPTION_LENGTH = 100
COMMON_MEMBERS = frozenset({"key", "label", "type", "required"})


class OptionSerializer(StrictSerializer):
    """One option of a slot."""

    value = StrictCharField(max_length=MAX_OPTION_LENGTH)
    label = StrictCharField(max_length=200)


class SlotSerializer(StrictSerializer):
    """A typed input of a step. An absent member sets no limit; null is not allowed."""

    key = NameField()
    label = StrictCharField(max_length=200)
    type = StrictChoiceField(choices=[str(slot_type) for slot_type in SlotType])
    required = StrictBooleanField(default=True)
    unit = StrictCharField(max_length=30, required=False)
    min = StrictNumberField(required=False)
    max = StrictNumberField(required=False)
    decimals = StrictIntegerField(min_value=0, max_value=12, required=False)
    out_of_range = StrictChoiceField(choices=["reject", "deviation"], required=False)
    pattern = StrictCharField(max_length=500, required=False)
    min_length = StrictIntegerField(min_value=0, max_value=10_000, required=False)
    max_length = StrictIntegerField(min_value=1, max_value=10_000, required=False)
    options = OptionSerializer(many=True, required=False, min_length=1, max_length=MAX_OPTIONS)

    def to_representation(self, instance: Any) -> Any:
        return instance  # it is stored in the shape that is served

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        allowed = COMMON_MEMBERS | EXTRA_MEMBERS.get(attrs["type"], frozenset())
        errors: Errors = {
            name: [ErrorDetail(f"A slot of type {attrs['type']} cannot have {name}.", code="not_applicable")]
            for name in attrs
            if name not in allowed
        }
        context = cast(dict[str, Any], self.context)
        compiling = context.setdefault("compiling", Compiling())  # one for all slots of the body
        errors = {**_limit_errors(attrs), **_option_errors(attrs), **_pattern_errors(attrs, compiling), **errors}
        if errors:
            raise ValidationError(errors)
        return attrs


class ChecklistItemSerializer(StrictSerializer):
    """Something to tick off in a step."""

    key = NameField()
    label = StrictCharField(max_length=300)
    required = StrictBooleanField(default=True)

    def to_representation(self, instance: Any) -> Any:
        return instance  # it is stored in the shape that is served


class StepSerializer(StrictSerializer):
    """One step."""

    key = SlugField()
    title = StrictCharField(max_length=200)
    instructions = StrictCharField(max_length=8000, allow_blank=True, default="")
    caution = StrictCharField(max_length=2000, allow_null=True, default=None)
    role = StrictCharField(max_length=150, allow_null=True, default=None)
    skippable = StrictBooleanField(default=False)
    expected_duration_s = StrictIntegerField(min_value=1, max_value=31_536_000, allow_null=True, default=None)
    slots = SlotSerializer(many=True, default=list, max_length=settings.MAX_SLOTS)
    checklist = ChecklistItemSerializer(many=True, default=list, max_length=settings.MAX_SLOTS)

    def validate_slots(self, slots: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _with_unique_keys(slots)

    def validate_checklist(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _with_unique_keys(items)


class ProcedureSerializer(StrictSerializer):
    """A procedure with its current revision, as GET returns it and PUT accepts it."""

    key = SlugField()
    revision = serializers.IntegerField(source="current.number", read_only=True)
    status = serializers.ChoiceField(choices=ProcedureStatus.values, read_only=True)
    title = StrictCharField(source="current.title", max_length=200)
    description = StrictCharField(source="current.description", max_length=4000, allow_blank=True, default="")
    ordering = StrictChoiceField(source="current.ordering", choices=Ordering.values, default=Ordering.STRICT)
    tags = StrictListField(child=SlugField(), max_length=20, default=list)
    change_note = StrictCharField(
        source="current.change_note", max_length=500, allow_blank=True, default="", write_only=True
    )
    updated_at = InstantField(read_only=True)
    steps = StepSerializer(source="current.steps", many=True, min_length=1, max_length=settings.MAX_STEPS)

    def validate_tags(self, tags: list[str]) -> list[str]:
        if len(set(tags)) < len(tags):
            raise ValidationError("Tags must be unique.", code="duplicate")
        return tags

    def validate_steps(self, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _with_unique_keys(steps)


class RevisionSerializer(serializers.Serializer[Any]):
    """One published revision; it never changes."""

    key = serializers.CharField(source="procedure.key")
    revision = serializers.IntegerField(source="number")
    based_on = serializers.IntegerField(source="based_on.number", allow_null=True, default=None)
    title = serializers.CharField()
    description = serializers.CharField()
    ordering = serializers.ChoiceField(choices=Ordering.values)
    change_note = serializers.CharField()
    content_sha256 = serializers.CharField()
    published_at = InstantField()
    steps = StepSerializer(many=True)


class RevisionHeadSerializer(serializers.Serializer[Any]):
    """A published revision in the list of a procedure's revisions, without its steps."""

    revision = serializers.IntegerField(source="number")
    title = serializers.CharField()
    change_note = serializers.CharField()
    content_sha256 = serializers.CharField()
    published_at = InstantField()


def definition_of(body: Mapping[str, Any]) -> Definition:
    """Return the definition in a validated body of `ProcedureSerializer`."""
    return Definition(key=body["key"], tags=body["tags"], **body["current"])


def represent(procedure: Procedure) -> dict[str, Any]:
    """Return a procedure as the API serves it."""
    return dict(ProcedureSerializer(procedure).data)


def _with_unique_keys(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seen: set[str] = set()
    errors: list[Mapping[str, Any]] = []
    for member in members:
        key = member["key"]
        errors.append(
            {"key": [ErrorDetail(f"The key {key!r} is used more than once.", code="duplicate")]} if key in seen else {}
        )
        seen.add(key)
    if any(errors):
        raise ValidationError(errors)
    return members


def _limit_errors(slot: Mapping[str, Any]) -> Errors:
    errors: Errors = {}
    if "min" in slot and "max" in slot and slot["min"] > slot["max"]:
        errors["max"] = [ErrorDetail("Must not be less than min.", code="inconsistent")]
    if slot["type"] == SlotType.INTEGER:
        for name in ("min", "max"):
            if name in slot and not isinstance(slot[name], int):
                errors[name] = [ErrorDetail("Expected an integer.", code="type")]
    if "out_of_range" in slot and slot["type"] in NUMERIC_TYPES and not {"min", "max"} & slot.keys():
        errors["out_of_range"] = [ErrorDetail("This needs min or max.", code="inconsistent")]
    if "min_length" in slot and "max_length" in slot and slot["min_length"] > slot["max_length"]:
        errors["max_length"] = [ErrorDetail("Must not be less than min_length.", code="inconsistent")]
    return errors


def _option_errors(slot: Mapping[str, Any]) -> Errors:
    if slot["type"] not in OPTION_TYPES:
        return {}
    if "options" not in slot:
        return {"options": [ErrorDetail("This member is required.", code="required")]}
    values = [option["value"] for option in slot["options"]]
    if len(set(values)) < len(values):
        return {"options": [ErrorDetail("Option values must be unique.", code="duplicate")]}
    return {}


def _pattern_errors(slot: Mapping[str, Any], compiling: Compiling) -> Errors:
    if "pattern" not in slot:
        return {}
    try:
        compiling.check(slot["pattern"])
    except InvalidPattern as error:
        return {"pattern": [ErrorDetail(f"Not a valid RE2 pattern: {error}", code="pattern")]}
    except PatternTooLarge as error:
        detail = f"{error} Repeat Unicode classes with * or +, and bound the text by max_length."
        return {"pattern": [ErrorDetail(detail, code="pattern_too_large")]}
    return {}
