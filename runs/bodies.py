"""The body of a run, built by one statement: what a cached read costs when nobody has the body.

PostgreSQL writes the events as JSON. Where the run stands is derived from them as everywhere, by runs/progress.py.
tests/runs/test_bodies.py compares the bodies with those of the serializers, byte for byte.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from rest import exact_json
from rest.timestamps import to_wire
from runs.progress import LedgerLine, PinnedStep, StepProgress, progress_of

INSTANT = "to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
ACTOR = "json_build_object('id', actor_id, 'name', actor_name) AS actor"
RECORDED_AT = INSTANT.format(column="recorded_at") + " AS recorded_at"
# The columns of the events are the members of CommitSerializer and StatusChangeSerializer, in their order.
STATEMENT = f"""
SELECT row_to_json(item)::text FROM (
    SELECT
        run.id, run.title, run.external_ref, run.started_by_id, run.started_by_name,
        {INSTANT.format(column="run.started_at")} AS started_at,
        procedure.key AS procedure_key, revision.number, revision.title AS revision_title, revision.ordering,
        (
            SELECT json_agg(step) FROM (
                SELECT key, title FROM procedures_step WHERE revision_id = revision.id ORDER BY position
            ) step
        ) AS steps,
        (
            SELECT coalesce(json_agg(event), '[]') FROM (
                SELECT
                    seq, kind, step.key AS step_key, event.values, event.checklist, deviations, note, reason, amends,
                    {ACTOR},
                    {INSTANT.format(column="performed_at")} AS performed_at, {RECORDED_AT}
                FROM runs_runevent event JOIN procedures_step step ON step.id = event.step_id
                WHERE run_id = run.id ORDER BY seq
            ) event
        ) AS commits,
        (
            SELECT json_agg(event) FROM (
                SELECT seq, kind, reason, {ACTOR}, {RECORDED_AT} FROM runs_runevent
                WHERE run_id = run.id AND step_id IS NULL ORDER BY seq
            ) event
        ) AS status_changes
    FROM runs_run run
    JOIN procedures_revision revision ON revision.id = run.revision_id
    JOIN procedures_procedure procedure ON procedure.id = revision.procedure_id
    WHERE run.id = %s
) item
"""  # noqa: S608  # made from constants


def body_of_run(run_id: UUID | str) -> bytes | None:
    """Return the body of a run, or None if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(STATEMENT, [run_id])
        row = cursor.fetchone()
    return None if row is None else exact_json.dumps(_body(exact_json.loads_stored(row[0])))


def _body(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of RunSerializer, in its order."""
    steps = [PinnedStep(**step) for step in run["steps"]]
    progress = progress_of(run["ordering"], steps, [_line(event) for event in _deciding_events(run)])
    return {
        "id": run["id"],
        "title": run["title"],
        "external_ref": run["external_ref"],
        "status": progress.status,
        "last_seq": progress.last_seq,
        "procedure": {"key": run["procedure_key"], "revision": run["number"], "title": run["revision_title"]},
        "started_by": {"id": run["started_by_id"], "name": run["started_by_name"]},
        "started_at": run["started_at"],
        "ended_at": to_wire(progress.ended_at) if progress.ended_at else None,
        "end_reason": progress.end_reason,
        "progress": {"resolved": progress.resolved, "total": progress.total},
        "next_steps": progress.next_steps,
        "steps": [_step(step) for step in progress.steps],
        "commits": run["commits"],
        "status_changes": run["status_changes"],
    }


def _step(progress: StepProgress) -> dict[str, Any]:
    """Return the members of StepStateSerializer, in its order."""
    return {
        "key": progress.step.key,
        "title": progress.step.title,
        "state": progress.state,
        "effective_seq": progress.effective.seq if progress.effective else None,
        "amended": progress.amended,
        "deviated": progress.deviated,
    }


def _deciding_events(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the events that `progress_of` needs, by seq; most of a long history are amendments that it does not."""
    first = {commit["step_key"]: commit for commit in reversed(run["commits"])}
    newest = {commit["step_key"]: commit for commit in run["commits"]}
    by_seq = {event["seq"]: event for event in (*first.values(), *newest.values(), *run["status_changes"])}
    return [by_seq[seq] for seq in sorted(by_seq)]


def _line(event: Mapping[str, Any]) -> LedgerLine:
    return LedgerLine(
        seq=event["seq"],
        kind=event["kind"],
        step_key=event.get("step_key"),
        deviates=bool(event.get("deviations")),
        reason=event["reason"],
        recorded_at=datetime.fromisoformat(event["recorded_at"]),
    )
