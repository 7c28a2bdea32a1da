"""How the console writes instants, durations, values and instructions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.names import name_of
from procedures.markdown import html_of
from procedures.slots import in_words
from rest.timestamps import to_people

register = template.Library()
register.filter("name", name_of)

NONE = "–"  # noqa: RUF001  # a dash of the right length for a table


@register.filter
def instant(value: datetime | str | None) -> SafeString | str:
    """Write an instant to the second in UTC; the page's script adds the time of the browser's zone."""
    if value is None:
        return ""
    at = (value if isinstance(value, datetime) else datetime.fromisoformat(value)).astimezone(UTC)
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), to_people(at))


@register.filter
def duration(seconds: float | None) -> str:
    """Write a duration such as `1 h 05 min`, `1 h`, `3 min 20 s`, `3 min` or `12 s`."""
    if seconds is None:
        return NONE
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest:02} s" if rest else f"{minutes} min"
    return f"{rest} s"


@register.filter
def markdown(text: str) -> SafeString:
    """Write instructions as HTML."""
    return html_of(text)


@register.simple_tag
def recorded(slot: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """Write what was recorded for a slot."""
    value = values.get(slot["key"])
    return NONE if value is None else in_words(slot, value)


@register.filter
def ticked(checklist: Mapping[str, bool], key: str) -> bool:
    """Tell whether an item was ticked; a program may also say that it was not."""
    return checklist.get(key, False)


@register.filter
def label_of(slots: Sequence[Mapping[str, Any]], key: str) -> str:
    """Write the label of the slot with a key."""
    return next((slot["label"] for slot in slots if slot["key"] == key), key)


@register.filter
def limits(slot: Mapping[str, Any]) -> str:
    """Write the limits of a number, such as `15 to 65`; empty where there are none."""
    least, most = slot.get("min"), slot.get("max")
    if least is not None and most is not None:
        return f"{least} to {most}"
    if least is not None:
        return f"at least {least}"
    return "" if most is None else f"at most {most}"


@register.filter
def status_name(status: str) -> str:
    """Write the state of a run or of a step for people."""
    return status.replace("_", " ")
