"""Forms as JSON, and back."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.http import QueryDict

from console.step_forms import Input, body_of, form_of_event, refused_form
from tests.factories import item, slot, step

OPTIONS = [{"value": "a", "label": "Alpha"}, {"value": "b", "label": "Beta"}]


def of(slot_type: str, **members: Any) -> dict[str, Any]:
    """Return a step with one slot, as the API serves it."""
    return {**step(slots=[slot("it", slot_type, **members)], checklist=[]), "role": None}


@pytest.mark.parametrize(
    ("slot_type", "typed", "value"),
    [
        ("integer", "value.it=12", 12),
        ("integer", "value.it=+12", 12),
        ("integer", "value.it=-3", -3),
        ("integer", "value.it=12.0", "12.0"),
        ("integer", "value.it=1e3", "1e3"),
        ("decimal", "value.it=12.50", Decimal("12.50")),
        ("decimal", "value.it=12,5", "12,5"),
        ("decimal", "value.it=7", 7),
        ("decimal", "value.it=NaN", "NaN"),
        ("decimal", "value.it=٣", "٣"),
        ("boolean", "value.it=true", True),
        ("boolean", "value.it=false", False),
        ("boolean", "value.it=perhaps", "perhaps"),
        ("text", "value.it=+a%20b+", " a b "),
        ("text", "value.it=first%0D%0Asecond", "first\nsecond"),  # as browsers send two lines
        ("choice", "value.it=a", "a"),
        ("date", "value.it=2026-11-26", "2026-11-26"),
        ("datetime", "value.it=2026-11-26T09:14", "2026-11-26T09:14:00Z"),
        ("datetime", "value.it=2026-11-26T09:14:05&value.it.offset=%2B02:00", "2026-11-26T09:14:05+02:00"),
        ("duration", "value.it.h=1&value.it.m=&value.it.s=30", "PT1H30S"),
        ("duration", "value.it.h=1&value.it.m=x&value.it.s=", "PT1HxM"),
    ],
)
def test_a_field_becomes_the_value_that_a_program_would_send(slot_type: str, typed: str, value: Any) -> None:
    body = body_of(QueryDict(typed), of(slot_type, options=OPTIONS))

    assert body["values"] == {"it": value}
    assert type(body["values"]["it"]) is type(value)


@pytest.mark.parametrize(
    ("members", "typed", "is_one_line"),
    [
        ({"max_length": 200}, "a", True),
        ({"max_length": 201}, "a", False),
        ({}, "a", False),
        ({"pattern": "[a-z]+"}, "a", True),
        ({"pattern": r"[a-z\n]+"}, "a\nb", False),  # one line would lose the break
    ],
)
def test_a_short_text_has_a_field_of_one_line(members: dict[str, Any], typed: str, is_one_line: bool) -> None:
    assert Input(slot("it", "text", **members), "value.it", typed=typed).is_one_line == is_one_line


@pytest.mark.parametrize("slot_type", ["integer", "text", "boolean", "multi_choice", "duration", "datetime"])
def test_an_empty_field_is_not_a_value(slot_type: str) -> None:
    typed = "value.it=&value.it.h=&value.it.m=&value.it.s="
    if slot_type == "multi_choice":
        typed = ""

    assert body_of(QueryDict(typed), of(slot_type, options=OPTIONS))["values"] == {}


def test_several_choices_are_a_list() -> None:
    typed = QueryDict("value.it=a&value.it=b")

    assert body_of(typed, of("multi_choice", options=OPTIONS))["values"] == {"it": ["a", "b"]}


def test_ticks_reasons_and_times_are_taken_along() -> None:
    asked = {**of("integer", max=5, out_of_range="deviation"), "checklist": [item("on_ice"), item("labelled")]}
    typed = QueryDict("check.on_ice=on&deviation.it=Hot+day&note=n&performed_at=2026-11-26T09:14&reason=r")

    body = body_of(typed, asked, amends=3)

    assert body == {
        "values": {}, "checklist": {"on_ice": True}, "deviations": [{"slot": "it", "reason": "Hot day"}],
        "note": "n", "performed_at": "2026-11-26T09:14:00Z", "amends": 3, "reason": "r",
    }  # fmt: skip


def test_what_is_wrong_stands_beside_its_field_and_the_rest_above_the_form() -> None:
    asked = {**of("integer", max=5, out_of_range="deviation"), "checklist": [item("on_ice")]}
    typed = QueryDict("value.it=9&note=n")
    findings = [
        {"pointer": "/values/it", "code": "max", "detail": "Must be at most 5."},
        {"pointer": "/checklist/on_ice", "code": "required_true", "detail": "This item must be checked."},
        {"pointer": "/values/other", "code": "unknown", "detail": "This step has no such slot."},
    ]

    form = refused_form(asked, typed, body_of(typed, asked), findings, "key")

    assert (form.inputs[0].typed, form.inputs[0].errors) == ("9", ["Must be at most 5."])
    assert form.inputs[0].asks_for_deviation
    assert form.checks[0].errors == ["This item must be checked."]
    assert (form.errors, form.note) == (["This step has no such slot."], "n")


def test_a_wrong_reason_for_a_deviation_stands_beside_its_value() -> None:
    asked = of("integer", max=5, out_of_range="deviation")
    typed = QueryDict("value.it=4&deviation.it=Why")
    findings = [
        {"pointer": "/deviations/0/slot", "code": "not_applicable", "detail": "The value is within the limits."}
    ]

    form = refused_form(asked, typed, body_of(typed, asked), findings, "key")

    assert (form.inputs[0].errors, form.inputs[0].deviation) == (["The value is within the limits."], "Why")


def sent_unchanged(asked: dict[str, Any], event: dict[str, Any]) -> QueryDict:
    """Return what a browser sends of a form in which stands what was recorded, if nobody changes it."""
    form = form_of_event(asked, event, "key")
    (shown,) = form.inputs
    sent = QueryDict(mutable=True)
    sent.setlist("value.it", [re.sub("\r\n?|\n", "\r\n", shown.typed)] if shown.typed else list(shown.chosen))
    for part, _, typed in shown.parts:
        sent[f"value.it.{part}"] = typed
    sent["note"], sent["performed_at"] = form.note, form.performed_at
    return sent


def recorded(value: Any, **members: Any) -> dict[str, Any]:
    """Return an event with a value for the one slot, as the API serves it."""
    return {"values": {"it": value}, "checklist": {}, "deviations": [], "note": None, "performed_at": None} | members


@pytest.mark.parametrize(
    ("slot_type", "value"),
    [("integer", 12), ("decimal", Decimal("12.50")), ("boolean", False), ("text", " a "), ("text", ""),
     ("text", "a\r\nb\rc\n"),
     ("choice", "b"), ("multi_choice", ["a", "b"]), ("date", "2026-11-26"), ("duration", "PT1H1M30S"),
     ("duration", "P1DT1H"), ("duration", "PT0.123456789S"), ("duration", "PT999999999H0.000000001S"),
     ("duration", "P1Y2M"), ("datetime", "2026-11-26T09:14:05Z"), ("datetime", "2026-11-26t09:14:05.123456789+02:00")],
)  # fmt: skip
def test_a_recorded_value_survives_an_amendment_that_changes_nothing(slot_type: str, value: Any) -> None:
    asked, event = of(slot_type, options=OPTIONS), recorded(value)

    body = body_of(sent_unchanged(asked, event), asked, amends=2, recorded=event)

    assert body["values"] == {"it": value}
    assert type(body["values"]["it"]) is type(value)


def test_when_it_was_done_survives_an_amendment_too() -> None:
    asked, event = of("integer"), recorded(12, performed_at="2026-11-26T09:14:05.123Z")

    body = body_of(sent_unchanged(asked, event), asked, amends=2, recorded=event)

    assert body["performed_at"] == "2026-11-26T09:14:05.123Z"


@pytest.mark.parametrize(
    ("slot_type", "value", "typed", "amended"),
    [
        ("datetime", "2026-11-26T09:14:05.5+02:00", "value.it=2026-11-26T08:14:05&value.it.offset=%2B01:00", None),
        ("datetime", "2026-11-26T09:14:05+02:00", "value.it=2026-11-26T09:14:05", "2026-11-26T09:14:05Z"),
        ("datetime", "2026-11-26T09:14:05Z", "value.it=soon", "soon:00Z"),
        ("duration", "P1D", "value.it.h=25&value.it.m=0&value.it.s=0", "PT25H0M0S"),
        ("duration", "P1M", "value.it.h=1", "PT1H"),
        ("duration", "PT1H", "value.it.h=1&value.it.m=x&value.it.s=0", "PT1HxM0S"),
        ("text", "a\r\nb", "value.it=a%0D%0Ac", "a\nc"),
    ],
)
def test_a_field_that_was_changed_counts_and_one_that_says_the_same_otherwise_does_not(
    slot_type: str, value: str, typed: str, amended: str | None
) -> None:
    body = body_of(QueryDict(typed), of(slot_type), amends=2, recorded=recorded(value))

    assert body["values"] == {"it": amended or value}
