"""The rules of a definition, each with the place and the code of its finding; all findings are reported at once."""

from decimal import Decimal
from typing import Any

import pytest

from procedures.serializers import ProcedureSerializer, definition_of
from rest.findings import findings_of
from tests.factories import body, item, slot, step


def found(definition: dict[str, Any]) -> list[tuple[str, str]]:
    serializer = ProcedureSerializer(data=definition)
    serializer.is_valid()
    return [(finding.pointer, finding.code) for finding in findings_of(serializer.errors)]


def found_in_step(**members: Any) -> list[tuple[str, str]]:
    prefix = "/steps/0"
    findings = found(body(steps=[{**step("a"), **members}]))
    assert all(place.startswith(prefix) for place, _ in findings)
    return [(place.removeprefix(prefix), code) for place, code in findings]


def found_in_slot(slot_type: str, **members: Any) -> list[tuple[str, str]]:
    choices = {"options": [option("a")]} if slot_type in {"choice", "multi_choice"} else {}
    findings = found_in_step(slots=[{**slot("x", slot_type), **choices, **members}])
    return [(place.removeprefix("/slots/0"), code) for place, code in findings]


def option(value: str) -> dict[str, str]:
    return {"value": value, "label": value.upper()}


def test_the_smallest_definition_is_right_and_has_defaults() -> None:
    serializer = ProcedureSerializer(data={"key": "a", "title": "A", "steps": [{"key": "b", "title": "B"}]})

    assert serializer.is_valid()
    definition = definition_of(serializer.validated_data)
    assert (definition.description, definition.ordering, definition.tags, definition.change_note) == (
        "",
        "strict",
        [],
        "",
    )
    assert dict(definition.steps[0]) == {
        "key": "b",
        "title": "B",
        "instructions": "",
        "caution": None,
        "role": None,
        "skippable": False,
        "expected_duration_s": None,
        "slots": [],
        "checklist": [],
    }


@pytest.mark.parametrize(
    ("members", "finding"),
    [
        ({"key": "Gibson"}, ("/key", "slug")),
        ({"key": "gibson\n"}, ("/key", "slug")),
        ({"key": None}, ("/key", "null")),
        ({"key": 5}, ("/key", "type")),
        ({"key": "a" * 64}, ("/key", "max_length")),
        ({"title": ""}, ("/title", "blank")),
        ({"title": "x" * 201}, ("/title", "max_length")),
        ({"title": ["a"]}, ("/title", "type")),
        ({"description": "x" * 4001}, ("/description", "max_length")),
        ({"description": None}, ("/description", "null")),
        ({"ordering": "loose"}, ("/ordering", "invalid_choice")),
        ({"ordering": None}, ("/ordering", "null")),
        ({"change_note": "x" * 501}, ("/change_note", "max_length")),
        ({"tags": "lab"}, ("/tags", "not_a_list")),
        ({"tags": ["lab", "Wet Lab"]}, ("/tags/1", "slug")),
        ({"tags": ["lab", 5]}, ("/tags/1", "type")),
        ({"tags": ["lab", "lab"]}, ("/tags", "duplicate")),
        ({"tags": [f"tag-{number}" for number in range(21)]}, ("/tags", "max_length")),
        ({"steps": []}, ("/steps", "min_length")),
        ({"steps": None}, ("/steps", "null")),
        ({"steps": {"0": step()}}, ("/steps", "not_a_list")),
        ({"steps": [step(), 5]}, ("/steps/1", "invalid")),
        ({"steps": [step("a"), step("b"), step("a")]}, ("/steps/2/key", "duplicate")),
        ({"steps": [step(f"s{number}") for number in range(201)]}, ("/steps", "max_length")),
        ({"titel": "x"}, ("/titel", "unknown")),
        ({"version": 3}, ("/version", "unknown")),
    ],
)
def test_a_broken_rule_of_procedures_is_reported_with_its_place(
    members: dict[str, Any], finding: tuple[str, str]
) -> None:
    definition = body()
    definition.update(members)

    assert found(definition) == [finding]


@pytest.mark.parametrize("name", ["key", "title", "steps"])
def test_a_procedure_requires(name: str) -> None:
    definition = body()
    del definition[name]

    assert found(definition) == [(f"/{name}", "required")]


@pytest.mark.parametrize(
    ("members", "finding"),
    [
        ({"key": "under_score"}, ("/key", "slug")),
        ({"key": "a\n"}, ("/key", "slug")),
        ({"title": None}, ("/title", "null")),
        ({"title": "x" * 201}, ("/title", "max_length")),
        ({"instructions": "x" * 8001}, ("/instructions", "max_length")),
        ({"instructions": None}, ("/instructions", "null")),
        ({"caution": ""}, ("/caution", "blank")),
        ({"caution": "x" * 2001}, ("/caution", "max_length")),
        ({"role": ""}, ("/role", "blank")),
        ({"role": 7}, ("/role", "type")),
        ({"role": "x" * 151}, ("/role", "max_length")),
        ({"skippable": "yes"}, ("/skippable", "type")),
        ({"skippable": 1}, ("/skippable", "type")),
        ({"expected_duration_s": 0}, ("/expected_duration_s", "min_value")),
        ({"expected_duration_s": 31_536_001}, ("/expected_duration_s", "max_value")),
        ({"expected_duration_s": Decimal("60.0")}, ("/expected_duration_s", "type")),
        ({"expected_duration_s": "60"}, ("/expected_duration_s", "type")),
        ({"expected_duration_s": True}, ("/expected_duration_s", "type")),
        ({"slots": None}, ("/slots", "null")),
        ({"slots": {}}, ("/slots", "not_a_list")),
        ({"slots": ["text"]}, ("/slots/0", "invalid")),
        ({"slots": [slot("a", "text"), slot("a", "date")]}, ("/slots/1/key", "duplicate")),
        ({"slots": [slot(f"s{number}", "text") for number in range(51)]}, ("/slots", "max_length")),
        ({"checklist": [item("a"), item("a")]}, ("/checklist/1/key", "duplicate")),
        ({"checklist": [item(f"i{number}") for number in range(51)]}, ("/checklist", "max_length")),
        ({"checklist": [{"key": "a"}]}, ("/checklist/0/label", "required")),
        ({"checklist": [{"label": "A"}]}, ("/checklist/0/key", "required")),
        ({"checklist": [item("a", required="yes")]}, ("/checklist/0/required", "type")),
        ({"checklist": [item("a", label="x" * 301)]}, ("/checklist/0/label", "max_length")),
        ({"checklist": [item("on-ice")]}, ("/checklist/0/key", "name")),
        ({"checklist": [item("a", done=True)]}, ("/checklist/0/done", "unknown")),
        ({"position": 1}, ("/position", "unknown")),
    ],
)
def test_a_broken_rule_of_steps_is_reported_with_its_place(members: dict[str, Any], finding: tuple[str, str]) -> None:
    assert found_in_step(**members) == [finding]


@pytest.mark.parametrize(
    ("slot_type", "members", "finding"),
    [
        ("number", {}, ("/type", "invalid_choice")),
        ("text", {"type": None}, ("/type", "null")),
        ("text", {"key": "Total"}, ("/key", "name")),
        ("text", {"key": "total\n"}, ("/key", "name")),
        ("text", {"label": ""}, ("/label", "blank")),
        ("text", {"label": "x" * 201}, ("/label", "max_length")),
        ("text", {"required": "yes"}, ("/required", "type")),
        ("text", {"required": None}, ("/required", "null")),
        ("text", {"default": "x"}, ("/default", "unknown")),
        ("text", {"unit": "mm"}, ("/unit", "not_applicable")),
        ("text", {"min": 1}, ("/min", "not_applicable")),
        ("text", {"out_of_range": "reject"}, ("/out_of_range", "not_applicable")),
        ("text", {"options": [option("a")]}, ("/options", "not_applicable")),
        ("text", {"pattern": "("}, ("/pattern", "pattern")),
        ("text", {"pattern": "(?=a)"}, ("/pattern", "pattern")),
        ("text", {"pattern": "(a)\\1"}, ("/pattern", "pattern")),
        ("text", {"pattern": ""}, ("/pattern", "blank")),
        ("text", {"pattern": "a" * 501}, ("/pattern", "max_length")),
        ("text", {"min_length": -1}, ("/min_length", "min_value")),
        ("text", {"min_length": "1"}, ("/min_length", "type")),
        ("text", {"max_length": 0}, ("/max_length", "min_value")),
        ("text", {"max_length": 10_001}, ("/max_length", "max_value")),
        ("text", {"min_length": 5, "max_length": 4}, ("/max_length", "inconsistent")),
        ("integer", {"min": Decimal("1.0")}, ("/min", "type")),
        ("integer", {"max": "7"}, ("/max", "type")),
        ("integer", {"min": None}, ("/min", "null")),
        ("integer", {"min": True}, ("/min", "type")),
        ("integer", {"min": 2, "max": 1}, ("/max", "inconsistent")),
        ("integer", {"decimals": 2}, ("/decimals", "not_applicable")),
        ("integer", {"unit": ""}, ("/unit", "blank")),
        ("integer", {"unit": "x" * 31}, ("/unit", "max_length")),
        ("integer", {"out_of_range": "deviation"}, ("/out_of_range", "inconsistent")),
        ("integer", {"min": 1, "out_of_range": "warn"}, ("/out_of_range", "invalid_choice")),
        ("decimal", {"decimals": -1}, ("/decimals", "min_value")),
        ("decimal", {"decimals": 13}, ("/decimals", "max_value")),
        ("decimal", {"decimals": Decimal("2.0")}, ("/decimals", "type")),
        ("decimal", {"min": Decimal("0.2"), "max": Decimal("0.1")}, ("/max", "inconsistent")),
        ("boolean", {"min": 0}, ("/min", "not_applicable")),
        ("date", {"min": 0}, ("/min", "not_applicable")),
        ("datetime", {"pattern": "a"}, ("/pattern", "not_applicable")),
        ("duration", {"max": 5}, ("/max", "not_applicable")),
        ("choice", {"options": []}, ("/options", "min_length")),
        ("choice", {"options": None}, ("/options", "null")),
        ("choice", {"options": ["a"]}, ("/options/0", "invalid")),
        ("choice", {"options": [option("a"), option("a")]}, ("/options", "duplicate")),
        ("choice", {"options": [option(str(number)) for number in range(101)]}, ("/options", "max_length")),
        ("choice", {"options": [{"value": "a"}]}, ("/options/0/label", "required")),
        ("choice", {"options": [{"value": 1, "label": "A"}]}, ("/options/0/value", "type")),
        ("choice", {"options": [{"value": "a", "label": "A", "next": "b"}]}, ("/options/0/next", "unknown")),
        ("multi_choice", {"max_length": 2}, ("/max_length", "not_applicable")),
    ],
)
def test_a_broken_rule_of_slots_is_reported_with_its_place(
    slot_type: str, members: dict[str, Any], finding: tuple[str, str]
) -> None:
    assert found_in_slot(slot_type, **members) == [finding]


@pytest.mark.parametrize("slot_type", ["choice", "multi_choice"])
def test_a_slot_with_options_must_have_some(slot_type: str) -> None:
    assert found_in_step(slots=[slot("x", slot_type)]) == [("/slots/0/options", "required")]


@pytest.mark.parametrize("name", ["key", "label", "type"])
def test_a_slot_requires(name: str) -> None:
    definition = slot("x", "text")
    del definition[name]

    assert found_in_step(slots=[definition]) == [(f"/slots/0/{name}", "required")]


@pytest.mark.parametrize(
    "definition",
    [
        slot("x", "text", pattern="[A-Z]+", min_length=0, max_length=10_000),
        slot("x", "integer", unit="min", min=15, max=65, out_of_range="deviation"),
        slot("x", "integer", min=5, max=5, out_of_range="reject"),
        slot("x", "decimal", unit="pmol", decimals=3, min=Decimal("0.02"), max=1),
        slot("x", "boolean"),
        slot("x", "choice", options=[option("a"), option("b")]),
        slot("x", "multi_choice", options=[option("a")]),
        slot("x", "date", required=False),
        slot("x", "datetime"),
        slot("x", "duration"),
        {"key": "x", "label": "X", "type": "text"},
    ],
)
def test_a_slot_with_all_that_its_type_may_have_is_right(definition: dict[str, Any]) -> None:
    assert found_in_step(slots=[definition]) == []


def test_a_slot_and_an_item_are_required_unless_they_say_otherwise() -> None:
    serializer = ProcedureSerializer(
        data=body(
            steps=[step(slots=[{"key": "x", "label": "X", "type": "text"}], checklist=[{"key": "y", "label": "Y"}])]
        )
    )

    serializer.is_valid(raise_exception=True)

    (found_step,) = definition_of(serializer.validated_data).steps
    assert found_step["slots"][0]["required"] is True
    assert found_step["checklist"][0]["required"] is True


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    definition = body(
        key="No",
        steps=[
            step("fine"),
            step("b_d", slots=[slot("x", "integer", min=2, max=1), slot("y", "choice")], skippable=0),
        ],
        tags=["a", "a"],
        titel="x",
    )

    assert sorted(found(definition)) == [
        ("/key", "slug"),
        ("/steps/1/key", "slug"),
        ("/steps/1/skippable", "type"),
        ("/steps/1/slots/0/max", "inconsistent"),
        ("/steps/1/slots/1/options", "required"),
        ("/tags", "duplicate"),
        ("/titel", "unknown"),
    ]


def test_several_broken_rules_of_one_slot_are_reported_at_once() -> None:
    findings = found_in_slot("integer", min=2, max=1, decimals=1, options=[option("a")], pattern="(")

    assert sorted(findings) == [
        ("/decimals", "not_applicable"),
        ("/max", "inconsistent"),
        ("/options", "not_applicable"),
        ("/pattern", "not_applicable"),
    ]


@pytest.mark.parametrize("definition", [[], None, "text", 5])
def test_a_definition_is_an_object(definition: Any) -> None:
    serializer = ProcedureSerializer(data=definition)

    assert not serializer.is_valid()


def test_two_hundred_steps_of_fifty_slots_are_within_the_limits() -> None:
    slots = [slot(f"s{number}", "boolean") for number in range(50)]

    assert found(body(steps=[step(f"s{number}", slots=slots if number == 0 else []) for number in range(200)])) == []
