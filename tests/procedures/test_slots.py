"""Values and checklists are checked against their slots and items: every type, every rule."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procedures.slots import SlotType, check_checklist, check_values, in_words, out_of_range
from rest.findings import Finding
from tests.factories import item, slot, unhurried

OPTIONS = [{"value": "pass", "label": "Pass"}, {"value": "fail", "label": "Fail"}]
OPTIONAL: dict[str, Any] = {"required": False}

# Any JSON value as the parser delivers it: fractions are decimals, never floats.
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


def a_slot(slot_type: str, **members: Any) -> dict[str, Any]:
    choices = {"options": OPTIONS} if slot_type in {"choice", "multi_choice"} else {}
    return slot("x", slot_type, **choices, **members)


def codes(definition: dict[str, Any], value: object) -> list[str]:
    return [finding.code for finding in check_values([definition], {"x": value})]


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        (a_slot("text"), "a"),
        (a_slot("text"), "x" * 10_000),
        (a_slot("text", **OPTIONAL), ""),
        (a_slot("text", min_length=0), ""),
        (a_slot("text", min_length=2, max_length=3), "ab"),
        (a_slot("text", min_length=2, max_length=3), "🧪🧪🧪"),
        (a_slot("text", pattern="[A-Z]{2}-\\d+"), "AB-12"),
        (a_slot("text", pattern="a|ab"), "ab"),
        (a_slot("integer"), 0),
        (a_slot("integer"), -5),
        (a_slot("integer", min=2, max=7), 2),
        (a_slot("integer", min=2, max=7), 7),
        (a_slot("decimal"), 12),
        (a_slot("decimal"), Decimal("12.5")),
        (a_slot("decimal", decimals=3), Decimal("0.180")),
        (a_slot("decimal", decimals=0), Decimal("1E+3")),
        (a_slot("decimal", min=Decimal("0.02"), max=1), Decimal("0.02")),
        (a_slot("boolean"), False),
        (a_slot("choice"), "fail"),
        (a_slot("multi_choice"), ["fail", "pass"]),
        (a_slot("multi_choice", **OPTIONAL), []),
        (a_slot("date"), "2024-02-29"),
        (a_slot("datetime"), "2026-11-23T09:14:05Z"),
        (a_slot("datetime"), "2026-11-23t09:14:05.123456789-05:30"),
        (a_slot("duration"), "PT1H30M"),
        (a_slot("duration"), "P1Y2M3W4DT5H6M7.5S"),
        (a_slot("duration"), "P0D"),
        (a_slot("duration"), "P999999999Y"),
        (a_slot("duration"), "PT0.123456789S"),
    ],
)
def test_a_value_that_keeps_every_rule_is_right(definition: dict[str, Any], value: object) -> None:
    assert codes(definition, value) == []


@pytest.mark.parametrize(
    ("definition", "value", "code"),
    [
        (a_slot("text"), 5, "type"),
        (a_slot("text"), None, "type"),
        (a_slot("text"), ["a"], "type"),
        (a_slot("text"), "", "min_length"),
        (a_slot("text"), "a\x00b", "null_characters_not_allowed"),
        (a_slot("text"), "x" * 10_001, "max_length"),
        (a_slot("text", min_length=2), "a", "min_length"),
        (a_slot("text", max_length=3), "abcd", "max_length"),
        (a_slot("text", **OPTIONAL, min_length=2), "", "min_length"),
        (a_slot("text", pattern="[A-Z]+"), "ABc", "pattern"),
        (a_slot("text", pattern="[A-Z]+"), "ABC\n", "pattern"),
        (a_slot("text", pattern="^[A-Z]+$"), "ABC\n", "pattern"),
        (a_slot("text", pattern="b"), "abc", "pattern"),
        (a_slot("integer"), "12", "type"),
        (a_slot("integer"), Decimal("12.0"), "type"),
        (a_slot("integer"), True, "type"),
        (a_slot("integer"), None, "type"),
        (a_slot("integer", min=2), 1, "min"),
        (a_slot("integer", max=7), 8, "max"),
        (a_slot("integer", min=2, out_of_range="deviation"), 1, "min"),
        (a_slot("decimal"), "12.5", "type"),
        (a_slot("decimal"), False, "type"),
        (a_slot("decimal", decimals=2), Decimal("0.180"), "decimals"),
        (a_slot("decimal", decimals=0), Decimal("1.0"), "decimals"),
        (a_slot("decimal", min=Decimal("0.02")), Decimal("0.0199"), "min"),
        (a_slot("decimal", max=1), Decimal("1.0001"), "max"),
        (a_slot("boolean"), 1, "type"),
        (a_slot("boolean"), "true", "type"),
        (a_slot("boolean"), None, "type"),
        (a_slot("choice"), "Pass", "option"),
        (a_slot("choice"), "", "option"),
        (a_slot("choice"), ["pass"], "type"),
        (a_slot("choice"), None, "type"),
        (a_slot("multi_choice"), "pass", "type"),
        (a_slot("multi_choice"), [1], "type"),
        (a_slot("multi_choice"), [["pass"]], "type"),
        (a_slot("multi_choice"), ["pass", "other"], "option"),
        (a_slot("multi_choice"), ["pass", "pass"], "duplicate"),
        (a_slot("multi_choice"), [], "required"),
        (a_slot("date"), 20261123, "type"),
        (a_slot("date"), "2026-02-29", "format"),
        (a_slot("date"), "2026-13-01", "format"),
        (a_slot("date"), "20261123", "format"),
        (a_slot("date"), "2026-W48-1", "format"),
        (a_slot("date"), "2026-11-23\n", "format"),
        (a_slot("date"), "2026-11-23T09:14:05Z", "format"),
        (a_slot("date"), "٢٠٢٦-11-23", "format"),
        (a_slot("datetime"), 1795424047, "type"),
        (a_slot("datetime"), "2026-11-23T09:14:05", "format"),
        (a_slot("datetime"), "2026-11-23 09:14:05Z", "format"),
        (a_slot("datetime"), "2026-11-23T25:14:05Z", "format"),
        (a_slot("datetime"), "2026-11-23", "format"),
        (a_slot("duration"), 90, "type"),
        (a_slot("duration"), "P", "format"),
        (a_slot("duration"), "PT", "format"),
        (a_slot("duration"), "P1DT", "format"),
        (a_slot("duration"), "P1Y2", "format"),
        (a_slot("duration"), "1H30M", "format"),
        (a_slot("duration"), "-PT1H", "format"),
        (a_slot("duration"), "PT1.5H", "format"),
        (a_slot("duration"), "PT1M1H", "format"),
        (a_slot("duration"), "PT1H\n", "format"),
        (a_slot("duration"), "P1234567890D", "format"),
        (a_slot("duration"), "P999999999W", "format"),
        (a_slot("duration"), "PT0.1234567890S", "format"),
        (a_slot("duration"), "P" + "9" * 5000 + "Y", "max_length"),
        (a_slot("date"), "2" * 65, "max_length"),
        (a_slot("datetime"), "2026-11-23T09:14:05." + "0" * 5000 + "Z", "max_length"),
    ],
)
def test_a_value_that_breaks_a_rule_is_one_finding(definition: dict[str, Any], value: object, code: str) -> None:
    assert codes(definition, value) == [code]


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("P" + "9" * 5000 + "Y", "Use at most 64 characters."),
        ("P1234567890D", "Expected a duration such as PT1H30M, with at most 9 digits in each number."),
    ],
)
def test_the_finding_of_an_overlong_duration_says_how_long_it_may_be(value: str, detail: str) -> None:
    assert [finding.detail for finding in check_values([a_slot("duration")], {"x": value})] == [detail]


@pytest.mark.parametrize("slot_type", list(SlotType))
def test_a_missing_required_value_is_a_finding(slot_type: str) -> None:
    assert check_values([a_slot(slot_type)], {}) == [Finding("/values/x", "required", "This value is required.")]


@pytest.mark.parametrize("slot_type", list(SlotType))
def test_a_missing_optional_value_is_not_a_finding(slot_type: str) -> None:
    assert check_values([a_slot(slot_type, **OPTIONAL)], {}) == []


def test_every_finding_is_reported_with_its_place() -> None:
    slots = [slot("mass", "decimal"), slot("lot", "text"), slot("note", "text", required=False)]

    findings = check_values(slots, {"mass": "1", "note": 5, "a/b": 1})

    assert [(finding.pointer, finding.code) for finding in findings] == [
        ("/values/a~1b", "unknown"),
        ("/values/mass", "type"),
        ("/values/lot", "required"),
        ("/values/note", "type"),
    ]


def test_a_reason_lets_a_number_out_of_range_pass_if_the_slot_allows_it() -> None:
    definition = a_slot("integer", max=65, out_of_range="deviation")

    assert check_values([definition], {"x": 71}, frozenset({"x"})) == []


@pytest.mark.parametrize("members", [{}, {"out_of_range": "reject"}])
def test_a_reason_changes_nothing_if_the_slot_rejects(members: dict[str, Any]) -> None:
    findings = check_values([a_slot("integer", max=65, **members)], {"x": 71}, frozenset({"x"}))

    assert [finding.code for finding in findings] == ["max"]


def test_a_reason_does_not_excuse_a_wrong_type() -> None:
    definition = a_slot("integer", max=65, out_of_range="deviation")

    findings = check_values([definition], {"x": "71"}, frozenset({"x"}))

    assert [finding.code for finding in findings] == ["type"]


def test_a_reason_for_another_slot_excuses_nothing() -> None:
    definition = a_slot("integer", max=65, out_of_range="deviation")

    assert check_values([definition], {"x": 71}, frozenset({"y"})) != []


@unhurried
@given(st.sampled_from(SlotType), JSON_VALUES, st.booleans())
def test_any_value_gives_at_most_one_finding_and_never_an_exception(
    slot_type: SlotType, value: object, required: bool
) -> None:
    assert len(codes(a_slot(slot_type, required=required), value)) <= 1


@unhurried
@given(st.integers(-100, 100) | st.decimals(-100, 100, places=2), st.integers(-100, 100), st.integers(-100, 100))
def test_a_number_is_right_exactly_when_it_is_between_min_and_max(value: int | Decimal, low: int, high: int) -> None:
    definition = a_slot("decimal", min=low, max=high)

    assert (codes(definition, value) == []) is (low <= value <= high)
    assert out_of_range(definition, value) is not (low <= value <= high)


@unhurried
@given(st.dates())
def test_every_date_is_right_as_python_writes_it(day: date) -> None:
    assert codes(a_slot("date"), day.isoformat()) == []


@unhurried
@given(st.datetimes(timezones=st.just(UTC)))
def test_every_instant_is_right_as_python_writes_it(instant: datetime) -> None:
    assert codes(a_slot("datetime"), instant.isoformat()) == []


@unhurried
@given(st.lists(st.sampled_from(["pass", "fail", "other"]), max_size=4))
def test_a_choice_of_several_is_right_exactly_when_each_is_known_and_given_once(chosen: list[str]) -> None:
    right = 0 < len(chosen) == len(set(chosen)) and "other" not in chosen

    assert (codes(a_slot("multi_choice"), chosen) == []) is right


def test_a_pattern_runs_in_linear_time() -> None:
    assert codes(a_slot("text", pattern="(a+)+b"), "a" * 10_000) == ["pattern"]  # backtracking would never end


@pytest.mark.parametrize(
    ("checked", "expected"),
    [
        ({"on_ice": True}, []),
        ({"on_ice": True, "labelled": False}, []),
        ({"on_ice": True, "labelled": True}, []),
        ({}, [("/checklist/on_ice", "required_true")]),
        ({"on_ice": False}, [("/checklist/on_ice", "required_true")]),
        ({"on_ice": "true"}, [("/checklist/on_ice", "type")]),
        ({"on_ice": 1}, [("/checklist/on_ice", "type")]),
        ({"on_ice": None}, [("/checklist/on_ice", "type")]),
        ({"on_ice": True, "labelled": None}, [("/checklist/labelled", "type")]),
        (
            {"a/b": True, "labelled": "no"},
            [("/checklist/a~1b", "unknown"), ("/checklist/on_ice", "required_true"), ("/checklist/labelled", "type")],
        ),
    ],
)
def test_a_checklist_is_complete_when_every_required_item_is_true(
    checked: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    items = [item("on_ice"), item("labelled", required=False)]

    findings = check_checklist(items, checked)

    assert [(finding.pointer, finding.code) for finding in findings] == expected


@unhurried
@given(st.dictionaries(st.sampled_from(["on_ice", "labelled", "other"]), JSON_VALUES))
def test_any_checklist_is_judged_without_an_exception(checked: dict[str, Any]) -> None:
    findings = check_checklist([item("on_ice"), item("labelled", required=False)], checked)

    assert (findings == []) is (
        checked.get("on_ice") is True and isinstance(checked.get("labelled", False), bool) and "other" not in checked
    )


@pytest.mark.parametrize(
    ("definition", "value", "words"),
    [
        (a_slot("boolean"), True, "yes"),
        (a_slot("boolean"), False, "no"),
        (a_slot("integer", unit="min"), 71, "71 min"),
        (a_slot("decimal", unit="g"), Decimal("1.50"), "1.50 g"),
        (a_slot("choice"), "pass", "Pass"),
        (a_slot("multi_choice"), ["fail", "pass"], "Fail, Pass"),
        (a_slot("text"), "as it is", "as it is"),
    ],
)
def test_people_read_a_value_in_words(definition: dict[str, Any], value: object, words: str) -> None:
    assert in_words(definition, value) == words
