"""Exports of finished runs, as records to keep: self-contained JSON, and the ledger as CSV."""

import csv
import io
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from rest_framework import serializers

from procedures.serializers import RevisionSerializer
from rest import exact_json
from rest.fields import InstantField, ObjectField
from rest.timestamps import to_wire
from runs.models import RunEvent
from runs.problems import RUN_NOT_FINISHED
from runs.records import RunRecord, record_with_id
from runs.serializers import ActorSerializer, RunSerializer
from runs.states import ENDED, EventKind

COLUMNS = (
    "seq", "kind", "step_key", "step_title", "values", "checklist", "deviations", "note", "reason", "amends",
    "actor_id", "actor_name", "performed_at", "recorded_at", "hash",
)  # fmt: skip

# A spreadsheet takes a cell that starts with one of these for a formula (OWASP, "CSV Injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class ExportedEventSerializer(serializers.Serializer[Any]):
    """An event of any kind, without the idempotency key of its request."""

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
    """A run as GET /runs/{id} serves it, with the revision that it executed and its whole ledger."""

    revision = RevisionSerializer(source="run.revision")
    events = ExportedEventSerializer(many=True)


def finished_run(run_id: UUID) -> RunRecord:
    """Read a finished run.

    Raises:
        RUN_NOT_FOUND: there is none with this id.
        RUN_NOT_FINISHED: it is neither completed nor aborted.
    """
    record = record_with_id(run_id)
    if record.progress.status not in ENDED:
        raise RUN_NOT_FINISHED(run_status=record.progress.status)
    return record


def json_of(record: RunRecord) -> bytes:
    """Return the run with everything that is needed to understand it."""
    return exact_json.dumps(ExportSerializer(record).data)


def csv_of(record: RunRecord) -> bytes:
    """Return the ledger, one line per event (RFC 4180)."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)  # its default dialect is RFC 4180's: CRLF, and quotes if needed
    lines.writerow(COLUMNS)
    lines.writerows([_harmless(cell) for cell in _cells(event)] for event in record.events)
    return text.getvalue().encode()


def _cells(event: RunEvent) -> Iterator[str]:
    step = event.step
    for content in (
        event.seq,
        event.kind,
        step.key if step else None,
        step.title if step else None,
        exact_json.dumps(event.values).decode(),
        exact_json.dumps(event.checklist).decode(),
        exact_json.dumps(event.deviations).decode(),
        event.note,
        event.reason,
        event.amends,
        event.actor_id,
        event.actor_name,
        to_wire(event.performed_at) if event.performed_at else None,
        to_wire(event.recorded_at),
        event.hash,
    ):
        yield "" if content is None else str(content)


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell
