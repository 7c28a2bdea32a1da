"""Runs in the admin, read-only: only the service's actions write the ledger."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html_join

from access.admin_lists import ListAdmin
from rest import exact_json
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
    """The ledger of a run."""

    model = RunEvent
    fields = readonly_fields = ("seq", "kind", "step", "inputs", "checks", "remarks", "actor_name", "recorded_at")
    ordering = ["seq"]

    @admin.display(description="Values")
    def inputs(self, event: RunEvent) -> str:
        """Show the values, one a line."""
        return _lines(event.values)

    @admin.display(description="Checklist")
    def checks(self, event: RunEvent) -> str:
        """Show the checklist, one item a line."""
        return _lines(event.checklist)

    @admin.display(description="Remarks")
    def remarks(self, event: RunEvent) -> str:
        """Show what else the event says."""
        deviations = {f"{deviation['slot']} deviates": deviation["reason"] for deviation in event.deviations}
        remarks = {"amends": event.amends, "reason": event.reason, "note": event.note, **deviations}
        return _lines({name: remark for name, remark in remarks.items() if remark is not None})


@admin.register(Run)
class RunAdmin(ReadOnly, ListAdmin[Run]):
    """Runs with their ledgers."""

    list_display = ["title", "status", "revision", "last_seq", "started_by_name", "started_at", "ended_at"]
    list_filter = ["status", "revision__procedure"]
    list_select_related = ["revision__procedure"]
    search_fields = ["title", "external_ref"]
    inlines = [RunEventInline]

    class Media:
        css = {"all": ["procedures/admin.css"]}


def _lines(members: Mapping[str, Any]) -> str:
    """Return the members, one a line: a text as it is, anything else as JSON."""
    rows = [
        (name, value if isinstance(value, str) else exact_json.dumps(value).decode()) for name, value in members.items()
    ]
    return format_html_join("", "<div>{}: {}</div>", rows)
