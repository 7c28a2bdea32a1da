"""The ledger on the page of its run: what people recorded, in the words of the revision that they worked by."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from access.admin_lists import READ_ONLY_TABLE
from procedures.models import Step
from procedures.slots import in_words
from rest.timestamps import to_people
from runs.models import Run, RunEvent


class ReadOnly:
    """Takes away every permission to write, even from superusers."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let nobody add anything."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let nobody change anything."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let nobody delete anything."""
        return False


class RunEventInline(ReadOnly, admin.TabularInline[RunEvent, Run]):
    """The ledger of a run. It has `settings.MAX_EVENTS` events and a few at most, so it is shown whole."""

    model = RunEvent
    template = READ_ONLY_TABLE
    verbose_name_plural = "Ledger"
    fields = readonly_fields = (
        "seq", "kind", "what", "inputs", "checks", "remarks", "actor_name", "performed", "recorded", "fingerprint",
    )  # fmt: skip
    ordering = ["seq"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[RunEvent]:
        return super().get_queryset(request).select_related("step")

    @admin.display(description="Step")
    def what(self, event: RunEvent) -> str:
        """Show the title of the step, and its key."""
        return "" if event.step is None else format_html("{} <code>{}</code>", event.step.title, event.step.key)

    @admin.display(description="Values")
    def inputs(self, event: RunEvent) -> str:
        """Show the values, one a line, with their labels and units."""
        slots = _by_key(event.step, "slots")
        return _lines({_label(slots, key): in_words(slots.get(key, {}), value) for key, value in event.values.items()})

    @admin.display(description="Checklist")
    def checks(self, event: RunEvent) -> str:
        """Show the checklist, one item a line."""
        items = _by_key(event.step, "checklist")
        return _lines({_label(items, key): "yes" if is_done else "no" for key, is_done in event.checklist.items()})

    @admin.display(description="Remarks")
    def remarks(self, event: RunEvent) -> str:
        """Show what else the event says."""
        slots = _by_key(event.step, "slots")
        deviations = {f"{_label(slots, one['slot'])} deviates": one["reason"] for one in event.deviations}
        remarks = {"amends": event.amends, "reason": event.reason, "note": event.note, **deviations}
        return _lines({name: str(remark) for name, remark in remarks.items() if remark is not None})

    @admin.display(description="Performed")
    def performed(self, event: RunEvent) -> str:
        """Show when it was done, if that was not when it was recorded."""
        return "" if event.performed_at is None else to_people(event.performed_at)

    @admin.display(description="Recorded")
    def recorded(self, event: RunEvent) -> str:
        """Show when it was recorded."""
        return to_people(event.recorded_at)

    @admin.display(description="Hash")
    def fingerprint(self, event: RunEvent) -> str:
        """Show the whole hash, so that it can be compared with one that was noted elsewhere."""
        return format_html("<code>{}</code>", event.hash)


def _by_key(step: Step | None, members: str) -> dict[str, Mapping[str, Any]]:
    return {} if step is None else {member["key"]: member for member in getattr(step, members)}


def _label(members: Mapping[str, Mapping[str, Any]], key: str) -> str:
    return str(members.get(key, {}).get("label", key))


def _lines(members: Mapping[str, str]) -> str:
    return format_html_join("", "<div>{}: {}</div>", members.items())
