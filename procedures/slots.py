"""The types of slot: checks of what an operator enters for a step, and values as people read them.

Values are JSON values of exactly the slot's type; nothing is coerced. Every finding is reported.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import isodate

from procedures.patterns import Matching, PatternTooLarge, TextTooLong, is_too_large
from rest.fields import INVISIBLE, RFC_3339, is_visible
from rest.findings import Finding, pointer

Slot = Mapping[str, Any]
"""A slot's definition, validated by `SlotSerializer`."""


class SlotType(StrEnum):
    """The types of slot."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    MULTI_CHOICE = "multi_choice"
    DATE = "date"
    DATETIME = "datetime"
    DURATION = "duration"


NUMERIC_TYPES = frozenset({SlotType.INTEGER, SlotType.DECIMAL})
OPTION_TYPES = frozenset({SlotType.CHOICE, SlotType.MULTI_CHOICE})
MAX_TEXT_LENGTH = 10_000  # if the author set no max_length

MAX_FORMATTED_LENGTH = 64  # of dates, timestamps and durations; sensible ones are half as long

# ISO 8601 §5.5.2, with fractions only in the seconds; isodate alone would accept "P" and "P1Y2" too. Nine digits fit
# into the 32-bit integers of programs that read the record later.
NUMBER = r"\d{1,9}"
DURATION = re.compile(
    rf"P(?=\d|T\d)({NUMBER}Y)?({NUMBER}M)?({NUMBER}W)?({NUMBER}D)?"
    rf"(T(?=\d)({NUMBER}H)?({NUMBER}M)?({NUMBER}(\.{NUMBER})?S)?)?",
    re.ASCII,
)
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class Wrong(Exception):
    """A value breaks a rule of its slot."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class OutOfRange(Wrong):
    """A number is outside the slot's min and max; some slots accept that as a deviation."""


class Uncheckable(Wrong):
    """The slot's pattern is too large to be checked; a deviation says how else the operator knows."""


def check_values(
    slots: Sequence[Slot], values: Mapping[str, Any], deviating: frozenset[str] = frozenset()
) -> list[Finding]:
    """Return what is wrong with `values` (slot key → JSON value).

    `deviating` names the slots for which the operator gave a reason: why the value is out of range, or why it is right
    although its pattern cannot be checked.
    """
    matching = Matching()
    by_key = {slot["key"]: slot for slot in slots}
    findings = [
        Finding(pointer("values", key), "unknown", "This step has no such slot.") for key in values if key not in by_key
    ]
    for key, slot in by_key.items():
        if key in values:
            findings += _findings_of_value(slot, values[key], key in deviating, matching)
        elif slot["required"]:
            findings.append(Finding(pointer("values", key), "required", "This value is required."))
    return findings


def in_words(slot: Slot, value: Any) -> str:
    """Return a value of the slot as people read it: options by their labels, numbers with their unit."""
    labels = {option["value"]: option["label"] for option in slot.get("options", ())}
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(labels.get(chosen, str(chosen)) for chosen in value)
        case Decimal():
            text = f"{value:f}"
        case _:
            text = labels.get(value, str(value))
    return f"{text} {slot['unit']}" if "unit" in slot else text


def is_uncheckable(slot: Slot) -> bool:
    """Tell whether the slot has a pattern that is too large to be checked: published before there was a bound."""
    return "pattern" in slot and is_too_large(slot["pattern"])


def out_of_range(slot: Slot, value: Any) -> bool:
    """Tell whether a value of the right type is outside the slot's min and max."""
    try:
        _check_range(slot, value)
    except OutOfRange:
        return True
    return False


def check_checklist(items: Sequence[Mapping[str, Any]], checked: Mapping[str, Any]) -> list[Finding]:
    """Return what is wrong with `checked` (item key → boolean): a required item must be true."""
    by_key = {item["key"]: item for item in items}
    findings = [
        Finding(pointer("checklist", key), "unknown", "This step has no such item.")
        for key in checked
        if key not in by_key
    ]
    for key, item in by_key.items():
        if not isinstance(checked.get(key, False), bool):
            findings.append(Finding(pointer("checklist", key), "type", "Expected true or false."))
        elif item["required"] and not checked.get(key, False):
            findings.append(Finding(pointer("checklist", key), "required_true", "This item must be checked."))
    return findings


def _findings_of_value(slot: Slot, value: Any, is_deviating: bool, matching: Matching) -> list[Finding]:
    place = pointer("values", slot["key"])
    try:
        CHECKS[SlotType(slot["type"])](slot, value)
        _check_range(slot, value)
        _check_pattern(slot, value, matching)
    except Uncheckable as wrong:
        return [] if is_deviating else [Finding(place, wrong.code, wrong.detail)]
    except OutOfRange as wrong:
        if is_deviating and slot.get("out_of_range") == "deviation":
            return []
        return [Finding(place, wrong.code, wrong.detail)]
    except Wrong as wrong:
        return [Finding(place, wrong.code, wrong.detail)]
    return []


def _check_text(slot: Slot, value: Any) -> None:
    if not isinstance(value, str):
        raise Wrong("type", "Expected a string.")
    longest = slot.get("max_length", MAX_TEXT_LENGTH)
    shortest = slot.get("min_length", 1 if slot["required"] else 0)
    if len(value) > longest:
        raise Wrong("max_length", f"Use at most {longest} characters.")
    if len(value) < shortest:
        raise Wrong("min_length", f"Use at least {shortest} characters.")
    if "\x00" in value:  # a body has none, but a form may
        raise Wrong("null_characters_not_allowed", "Null characters are not allowed.")
    if value and not is_visible(value):
        raise Wrong("invisible", INVISIBLE)


def _check_pattern(slot: Slot, value: Any, matching: Matching) -> None:
    if "pattern" not in slot:
        return
    try:
        is_right = matching.matches(slot["pattern"], value)
    except PatternTooLarge:
        raise Uncheckable(
            "pattern_too_large",
            "The pattern is too large to be checked. Say in a deviation why this text is right.",
        ) from None
    except TextTooLong:
        raise Wrong("max_length", "Use fewer characters: this is too much to check against its pattern.") from None
    if not is_right:
        raise Wrong("pattern", f"Must match {slot['pattern']}.")


def _check_integer(_slot: Slot, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong("type", "Expected an integer.")


def _check_decimal(slot: Slot, value: Any) -> None:
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise Wrong("type", "Expected a number.")
    fraction_digits = max(0, -int(Decimal(value).as_tuple().exponent))
    if fraction_digits > slot.get("decimals", fraction_digits):
        raise Wrong("decimals", f"Use at most {slot['decimals']} digits after the point.")


def _check_boolean(_slot: Slot, value: Any) -> None:
    if not isinstance(value, bool):
        raise Wrong("type", "Expected true or false.")


def _check_choice(slot: Slot, value: Any) -> None:
    if not isinstance(value, str):
        raise Wrong("type", "Expected a string.")
    _check_options(slot, [value])


def _check_multi_choice(slot: Slot, value: Any) -> None:
    if not isinstance(value, list) or not all(isinstance(choice, str) for choice in value):
        raise Wrong("type", "Expected a list of strings.")
    _check_options(slot, value)
    if len(set(value)) < len(value):
        raise Wrong("duplicate", "Name each option at most once.")
    if slot["required"] and not value:
        raise Wrong("required", "Name at least one option.")


def _check_options(slot: Slot, chosen: Sequence[str]) -> None:
    allowed = [option["value"] for option in slot["options"]]
    if not set(chosen).issubset(allowed):
        raise Wrong("option", f"Must be one of {', '.join(allowed)}.")


def _check_date(_slot: Slot, value: Any) -> None:
    _check_format(value, ISO_DATE, date.fromisoformat, "a date such as 2026-11-23")


def _check_datetime(_slot: Slot, value: Any) -> None:
    _check_format(
        value, RFC_3339, lambda text: datetime.fromisoformat(text.upper()), "a timestamp such as 2026-11-23T09:14:05Z"
    )


def _check_duration(_slot: Slot, value: Any) -> None:
    _check_format(
        value, DURATION, isodate.parse_duration, "a duration such as PT1H30M, with at most 9 digits in each number"
    )


def _check_format(value: Any, form: re.Pattern[str], parse: Callable[[str], object], expected: str) -> None:
    if not isinstance(value, str):
        raise Wrong("type", f"Expected {expected}.")
    if len(value) > MAX_FORMATTED_LENGTH:
        raise Wrong("max_length", f"Use at most {MAX_FORMATTED_LENGTH} characters.")
    if not form.fullmatch(value):
        raise Wrong("format", f"Expected {expected}.")
    try:
        parse(value)
    except (ValueError, OverflowError):
        raise Wrong("format", f"Expected {expected}.") from None


def _check_range(slot: Slot, value: Any) -> None:
    if "min" in slot and value < slot["min"]:
        raise OutOfRange("min", f"Must be at least {slot['min']}.")
    if "max" in slot and value > slot["max"]:
        raise OutOfRange("max", f"Must be at most {slot['max']}.")


CHECKS: dict[SlotType, Callable[[Slot, Any], None]] = {
    SlotType.TEXT: _check_text,
    SlotType.INTEGER: _check_integer,
    SlotType.DECIMAL: _check_decimal,
    SlotType.BOOLEAN: _check_boolean,
    SlotType.CHOICE: _check_choice,
    SlotType.MULTI_CHOICE: _check_multi_choice,
    SlotType.DATE: _check_date,
    SlotType.DATETIME: _check_datetime,
    SlotType.DURATION: _check_duration,
}
