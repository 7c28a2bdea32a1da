"""What a browser's form says about a step, as the JSON that a program would send, and the inputs of that form.

A form has texts only, so numbers and booleans are read here: exactly, or not at all. What cannot be read stays a text,
so that the step's rules refuse it, in their words, at its place.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.http import QueryDict

from procedures.forms import as_stored
from procedures.slots import SlotType
from rest.findings import pointer

VALUE, CHECK, DEVIATION = "value.", "check.", "deviation."
MAX_DIGITS = 16
INTEGER = re.compile(rf"[+-]?\d{{1,{MAX_DIGITS}}}", re.ASCII)
DECIMAL = re.compile(rf"[+-]?\d{{1,{MAX_DIGITS}}}(\.\d{{1,{MAX_DIGITS}}})?", re.ASCII)
BOOLEANS = {"true": True, "false": False}
DURATION_PARTS = (("h", "hours"), ("m", "minutes"), ("s", "seconds"))
PART_OF_DURATION = re.compile(r"(\d+(?:\.\d+)?)([A-Z])")
SECONDS = {"W": 604_800, "D": 86_400, "H": 3_600, "M": 60, "S": 1}
LINE_BREAK = re.compile(r"\r\n?")
SHORTENED = frozenset({SlotType.TEXT, SlotType.DATETIME, SlotType.DURATION})
"""The types whose fields cannot hold everything that may be recorded: other line breaks, fractions, offsets, days."""
FEW_OPTIONS = 7  # up to which all are shown at once; more become a list to choose from
ONE_LINE = 200  # characters that a field of one line is offered for

NOTHING_RECORDED: Mapping[str, Any] = {"values": {}, "performed_at": None}

Definition = Mapping[str, Any]
"""The definition of a step, a slot or a checklist item, as the API serves it."""


@dataclass(frozen=True, slots=True)
class Input:
    """One question of a step's form.

    Attributes:
        definition: The slot or the checklist item.
        name: The name of its field.
        typed: What stands in it.
        chosen: The options that are chosen, if there may be several.
        parts: What stands in each of its fields, if it has several.
        errors: What is wrong with it, in words.
        deviation: The reason for a value outside its limits, as typed.
        asks_for_deviation: Whether to ask for that reason at once.
    """

    definition: Definition
    name: str
    typed: str = ""
    chosen: Sequence[str] = ()
    parts: Sequence[tuple[str, str, str]] = ()
    errors: Sequence[str] = ()
    deviation: str = ""
    asks_for_deviation: bool = False

    @property
    def id(self) -> str:
        """The id of its field on the page."""
        return self.name.replace(".", "-").replace("_", "-")

    @property
    def deviation_name(self) -> str:
        """The name of the field for the reason."""
        return f"{DEVIATION}{self.definition['key']}"

    @property
    def has_few_options(self) -> bool:
        """Whether all options fit on the page at once."""
        return len(self.definition.get("options", ())) <= FEW_OPTIONS

    @property
    def is_one_line(self) -> bool:
        """Whether the field of a text is a single line, which keeps no line breaks."""
        is_short = "pattern" in self.definition or self.definition.get("max_length", ONE_LINE + 1) <= ONE_LINE
        return is_short and "\n" not in self.typed

    @property
    def may_deviate(self) -> bool:
        """Whether a value outside its limits is recorded, with a reason."""
        return self.definition.get("out_of_range") == "deviation"


@dataclass(frozen=True, slots=True)
class StepForm:
    """The form of a step, with what stands in it.

    Attributes:
        key: The Idempotency-Key that it is sent under.
        errors: What is wrong with no field in particular, in words.
        is_recorded: Whether it shows what was recorded, with instants in UTC.
    """

    key: str
    inputs: Sequence[Input] = ()
    checks: Sequence[Input] = ()
    note: str = ""
    reason: str = ""
    performed_at: str = ""
    errors: Sequence[str] = ()
    errors_of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_recorded: bool = False

    @property
    def is_refused(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.errors or self.errors_of)


def body_of(
    form: QueryDict, step: Definition, *, amends: int | None = None, recorded: Mapping[str, Any] = NOTHING_RECORDED
) -> dict[str, Any]:
    """Return the body of a commit, or of an amendment of event `amends`, that a form stands for.

    Fields that were not changed keep exactly what the event `recorded` has.
    """
    values = {slot["key"]: _value_of(form, slot, recorded["values"].get(slot["key"])) for slot in step["slots"]}
    body: dict[str, Any] = {
        "values": {key: value for key, value in values.items() if value is not None},
        "checklist": {item["key"]: True for item in step["checklist"] if CHECK + item["key"] in form},
        "deviations": [
            {"slot": slot["key"], "reason": reason}
            for slot in step["slots"]
            if (reason := text_of(form, DEVIATION + slot["key"]))
        ],
        "note": text_of(form, "note") or None,
        "performed_at": _unless_changed(SlotType.DATETIME, _instant_of(form, "performed_at"), recorded["performed_at"]),
    }
    if amends is not None:
        body |= {"amends": amends, "reason": text_of(form, "reason")}
    return body


def text_of(form: QueryDict, name: str) -> str:
    """Return what was typed into a field, as it is recorded."""
    return as_stored(form.get(name, ""))


def _value_of(form: QueryDict, slot: Definition, recorded: Any) -> Any:
    """Return a slot's value; None where its field is empty. An unchanged field keeps exactly what was recorded."""
    typed = _typed_value(form, slot)
    return _unless_changed(slot["type"], typed, recorded) if slot["type"] in SHORTENED else typed


def _unless_changed(slot_type: str, typed: str | None, recorded: str | None) -> str | None:
    said = _in_utc(typed) if slot_type == SlotType.DATETIME else typed
    return recorded if said == _said_of(slot_type, recorded) else typed


def _said_of(slot_type: str, recorded: str | None) -> str | None:
    """Return what an unchanged field sends of what was recorded."""
    if recorded is None:
        return None
    if slot_type == SlotType.DATETIME:
        return _in_utc(recorded)
    if slot_type == SlotType.DURATION:
        return _duration_of(_parts_of(recorded))
    return LINE_BREAK.sub("\n", recorded) or None


def _in_utc(instant: str | None) -> str | None:
    """Return an instant to the second in UTC, without its offset, as a field has it; anything else as it is."""
    try:
        at = datetime.fromisoformat((instant or "").upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return instant
    return at.replace(tzinfo=None).isoformat(timespec="seconds")


def _typed_value(form: QueryDict, slot: Definition) -> Any:
    """Return what a field says; None where it is empty."""
    name = VALUE + slot["key"]
    match slot["type"]:
        case SlotType.MULTI_CHOICE:
            return form.getlist(name) or None
        case SlotType.DURATION:
            return _duration_of({part: form.get(f"{name}.{part}", "").strip() for part, _ in DURATION_PARTS})
        case SlotType.DATETIME:
            return _instant_of(form, name)
        case SlotType.TEXT:
            return text_of(form, name) or None
        case _:
            return _read(slot["type"], form.get(name, "").strip())


def _read(slot_type: str, text: str) -> Any:
    """Return a number or a boolean, or the text if it is neither; None where it is empty."""
    if slot_type == SlotType.BOOLEAN and text in BOOLEANS:
        return BOOLEANS[text]
    if slot_type == SlotType.INTEGER and INTEGER.fullmatch(text):
        return int(text)
    if slot_type == SlotType.DECIMAL and DECIMAL.fullmatch(text):
        return Decimal(text) if "." in text else int(text)
    return text or None


def _duration_of(parts: Mapping[str, str]) -> str | None:
    if not any(parts.values()):
        return None
    return "PT" + "".join(f"{number}{part.upper()}" for part, number in parts.items() if number)


def _instant_of(form: QueryDict, name: str) -> str | None:
    """Return an instant in RFC 3339; the page's script adds the offset of the browser's clock, else it is UTC."""
    text = form.get(name, "").strip()
    if not text:
        return None
    with_seconds = text if text.count(":") > 1 else f"{text}:00"
    return with_seconds + (form.get(f"{name}.offset", "").strip() or "Z")


def blank_form(step: Definition, key: str) -> StepForm:
    """Return the empty form of a step."""
    return _form(step, key, lambda slot: Input(slot, VALUE + slot["key"], parts=_duration_parts({})), frozenset())


def form_of_event(step: Definition, event: Mapping[str, Any], key: str) -> StepForm:
    """Return the form of a step with what was recorded, to be amended."""
    reasons = {deviation["slot"]: deviation["reason"] for deviation in event["deviations"]}
    checked = frozenset(name for name, is_checked in event["checklist"].items() if is_checked)

    def recorded(slot: Definition) -> Input:
        return _recorded_input(slot, event["values"].get(slot["key"]), reasons.get(slot["key"], ""))

    performed_at = _in_utc(event["performed_at"]) or ""
    return _form(step, key, recorded, checked, note=event["note"] or "", performed_at=performed_at, is_recorded=True)


def refused_form(
    step: Definition, form: QueryDict, body: Mapping[str, Any], findings: Iterable[Mapping[str, str]], key: str
) -> StepForm:
    """Return the form with everything that was typed, and beside each field what is wrong with it."""
    fields = _fields_of(step, body)
    errors: dict[str, list[str]] = {}
    elsewhere: list[str] = []
    for finding in findings:
        name = next((name for place, name in fields.items() if _is_within(finding["pointer"], place)), None)
        if name is None:
            elsewhere.append(finding["detail"])
        else:
            errors.setdefault(name, []).append(finding["detail"])

    def typed(slot: Definition) -> Input:
        name, deviation = VALUE + slot["key"], DEVIATION + slot["key"]
        found = [*errors.get(name, ()), *errors.get(deviation, ())]
        is_outside = any(
            finding["pointer"] == pointer("values", slot["key"]) and finding["code"] in {"min", "max"}
            for finding in findings
        )
        return Input(
            slot, name, typed=form.get(name, ""), chosen=form.getlist(name),
            parts=_duration_parts({part: form.get(f"{name}.{part}", "") for part, _ in DURATION_PARTS}),
            errors=found, deviation=form.get(deviation, ""),
            asks_for_deviation=is_outside or bool(form.get(deviation)),
        )  # fmt: skip

    checked = frozenset(item["key"] for item in step["checklist"] if CHECK + item["key"] in form)
    texts = {name: form.get(name, "") for name in ("note", "reason", "performed_at")}
    return _form(step, key, typed, checked, errors=elsewhere, errors_of=errors, **texts)


def _form(
    step: Definition, key: str, input_of: Any, checked: frozenset[str], *,
    errors_of: Mapping[str, Sequence[str]] | None = None, **others: Any,
) -> StepForm:  # fmt: skip
    errors_of = errors_of or {}
    checks = [
        Input(
            item, CHECK + item["key"], typed="on" if item["key"] in checked else "",
            errors=errors_of.get(CHECK + item["key"], ()),
        )
        for item in step["checklist"]
    ]  # fmt: skip
    return StepForm(key, [input_of(slot) for slot in step["slots"]], checks, errors_of=errors_of, **others)


def _fields_of(step: Definition, body: Mapping[str, Any]) -> dict[str, str]:
    """Return the field of each place in a body that has one."""
    fields = {pointer("values", slot["key"]): VALUE + slot["key"] for slot in step["slots"]}
    fields |= {pointer("checklist", item["key"]): CHECK + item["key"] for item in step["checklist"]}
    for index, deviation in enumerate(body.get("deviations", ())):
        fields[pointer("deviations", index)] = DEVIATION + deviation["slot"]
    return fields | {pointer(name): name for name in ("note", "reason", "performed_at")}


def _is_within(place: str, whole: str) -> bool:
    return place == whole or place.startswith(f"{whole}/")


def _recorded_input(slot: Definition, value: Any, reason: str) -> Input:
    name = VALUE + slot["key"]
    chosen = value if isinstance(value, list) else [] if value is None else [str(value)]
    typed = "" if value is None or isinstance(value, list) else _text_of(value)
    parts = _duration_parts(_parts_of(value)) if slot["type"] == SlotType.DURATION else ()
    if slot["type"] == SlotType.DATETIME:
        typed = _in_utc(value) or ""
    return Input(slot, name, typed, chosen, parts, deviation=reason, asks_for_deviation=bool(reason))


def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _parts_of(duration: str | None) -> dict[str, str]:
    """Return a duration in hours, minutes and seconds; empty where it has years or months, whose length varies."""
    days, _, time = (duration or "").removeprefix("P").partition("T")
    if not duration or {"Y", "M"} & set(days):
        return {}
    seconds = sum(Decimal(number) * SECONDS[unit] for number, unit in PART_OF_DURATION.findall(days + time))
    hours, seconds = divmod(Decimal(seconds), 3600)
    minutes, seconds = divmod(seconds, 60)
    return {"h": str(int(hours)), "m": str(int(minutes)), "s": f"{seconds.normalize():f}"}


def _duration_parts(typed: Mapping[str, str]) -> list[tuple[str, str, str]]:
    return [(part, unit, typed.get(part, "")) for part, unit in DURATION_PARTS]
