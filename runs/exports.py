"""Exports of finished runs: a self-contained record as JSON, and the ledger as CSV."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from rest_framework import serializers

from procedures.serializers import RevisionSerializer
from rest import exact_json
from rest.fields import InstantField, ObjectField
from runs.formulas import defused_json, defused_text
from runs.problems import RUN_NOT_FINISHED
from runs.records import RunRecord, record_with_id
from runs.serializers import ActorSerializer, RunSerializer
from runs.states import ENDED, EventKind
from versioned_cache.http.answers import HEADERS

COLUMNS = (
    "seq", "kind", "step_key", "step_title", "values", "checklist", "deviations", "note", "reason", "amends",
    "actor_id", "actor_name", "performed_at", "recorded_at", "hash",
)  # fmt: skip


class ExportedEventSerializer(serializers.Serializer[Any]):
    """An event of any kind, with everything but the Idempotency-Key and fingerprint of its request."""

    seq = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=EventKind.values)
    step_key = serializers.CharField(source="step.key", allow_null=True, default=None)
    step_title = serializers.CharField(source="step.title", allow_null=True, default=None)
    values = ObjectField()
    checklist = ObjectField()
    deviations = serializers.ListField(child=ObjectField())
    note = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    amends = serializers.IntegerField(allow_null=True)
    actor = ActorSerializer(source="*")
    performed_at = InstantField(allow_null=True)
    recorded_at = InstantField()
    hash = serializers.CharField()


class ExportSerializer(RunSerializer):
    """A run as GET /runs/{id} shows it, with the revision that it executes and its whole ledger."""

    revision = RevisionSerializer(source="run.revision")
    events = ExportedEventSerializer(many=True)


def finished_run(run_id: UUID) -> RunRecord:
    """Read a finished run.

    Raises:
        RUN_NOT_FOUND: no run has this id.
        RUN_NOT_FINISHED: the run is neither completed nor aborted.
    """
    record = record_with_id(run_id)
    if record.progress.status not in ENDED:
        raise RUN_NOT_FINISHED("Only a completed or aborted run can be exported.", run_status=record.progress.status)
    return record


def json_of(record: RunRecord) -> bytes:
    """Return the run with everything needed to understand it."""
    return exact_json.dumps(ExportSerializer(record).data)


def csv_of(record: RunRecord) -> bytes:
    """Return the ledger as a table, one line an event (RFC 4180)."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS)  # its default dialect is RFC 4180's: CRLF, quotes where needed
    table.writeheader()
    table.writerows(_row(event) for event in ExportedEventSerializer(record.events, many=True).data)
    return text.getvalue().encode()


def _row(event: dict[str, Any]) -> dict[str, str]:
    actor = event.pop("actor")
    cells = {**event, "actor_id": actor["id"], "actor_name": actor["name"]}
    return {column: _cell(content) for column, content in cells.items()}


def _cell(content: Any) -> str:
    """Return a text as it is, nothing for null, anything else as JSON; none of them holds what becomes a formula."""
    if content is None:
        return ""
    if not isinstance(content, str):
        return defused_json(exact_json.dumps(content).decode())
    return defused_text(content)


@dataclass(frozen=True, slots=True)
class Export:
    """A form that a finished run can be taken away in."""

    suffix: str
    content_type: str
    content_of: Callable[[RunRecord], bytes]

    def answer(self, record: RunRecord) -> HttpResponse:
        """Answer a file to keep; its name is ASCII without quotes."""
        disposition = f'attachment; filename="run-{record.run.pk}.{self.suffix}"'
        headers = {**HEADERS, "Content-Disposition": disposition}
        return HttpResponse(self.content_of(record), self.content_type, headers=headers)


EXPORTS = {
    export.suffix: export
    for export in (Export("json", "application/json", json_of), Export("csv", "text/csv; charset=utf-8", csv_of))
}
