"""The chain of hashes over a run's events: it shows when somebody changed, removed or moved an event by hand.

The first event says what the run is, including its revision and content hash, so the chain covers that too. There
is no secret key: anyone who may switch the triggers off can also compute a new chain, or remove a whole run. Only a
hash that was noted elsewhere reveals that.

Each event's hash is SHA-256 over the hash of the event before (empty for the first), a newline, and the
canonical JSON (RFC 8785) of the event's own columns. JSON columns enter as text (sorted names, no white
space, digits as they were written), because RFC 8785 treats numbers as doubles: 12.50 g would become 12.5 g.
This form can never change, because the old hashes were made with it (docs/adr/0007).
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import rfc8785
from django.db.models import prefetch_related_objects

from procedures.models import content_of
from rest import exact_json
from runs.models import Run, RunEvent
from runs.records import progress_of_run
from runs.states import EventKind

EVENTS_PER_FETCH = 200


def hash_of(event: RunEvent, previous_hash: str) -> str:
    """Return the hash that an event must carry."""
    canonical = rfc8785.dumps(_columns(event))
    return hashlib.sha256(previous_hash.encode() + b"\n" + canonical).hexdigest()


def faults_in(run: Run) -> Iterator[str]:
    """Yield what is wrong with a run's ledger, in words. Call it in one snapshot.

    It takes a constant number of statements, and never has all events in memory.
    """
    prefetch_related_objects([run], "revision__steps")
    yield from _faults_in_revision(run)
    is_whole = True
    for fault in _faults_in_chain(run):
        is_whole = False
        yield fault
    if is_whole:
        yield from _faults_in_head(run)


def _faults_in_revision(run: Run) -> Iterator[str]:
    if content_of(run.revision).content_sha256 != run.revision.content_sha256:
        yield f"the content of {run.revision} does not match its hash"


def _faults_in_chain(run: Run) -> Iterator[str]:
    previous_hash, previous_seq = "", 0
    for event in run.events.order_by("seq").select_related("step").iterator(EVENTS_PER_FETCH):
        if event.seq != previous_seq + 1:
            # Its hash depends on one that is missing, so it cannot be checked.
            yield f"{_events(previous_seq + 1, event.seq - 1)} missing"
        elif event.hash != hash_of(event, previous_hash):
            yield f"event {event.seq} ({event.kind}) does not match its hash, or the one before was changed"
        yield from _faults_of_origin(run, event)
        previous_hash, previous_seq = event.hash, event.seq
    if run.last_seq != previous_seq:
        yield f"the newest event is {previous_seq}, but the run counted {run.last_seq}"


def _faults_of_origin(run: Run, event: RunEvent) -> Iterator[str]:
    """Yield what is wrong if an event belongs elsewhere; its own hash does not show that."""
    if (event.kind == EventKind.START) != (event.seq == 1):
        yield f"event {event.seq} ({event.kind}) is out of place"
    if event.step is not None and event.step.revision_id != run.revision_id:
        yield f"event {event.seq} ({event.kind}) is about a step of another revision"
    if event.kind == EventKind.START:
        yield from _faults_of_start(run, event)


def _faults_of_start(run: Run, event: RunEvent) -> Iterator[str]:
    recorded = (event.values, event.actor_id, event.actor_name, event.recorded_at)
    current = (origin_of(run), run.started_by_id, run.started_by_name, run.started_at)
    names = ("origin", "started_by", "started_by_name", "started_at")
    for name, before, now in zip(names, recorded, current, strict=True):
        if before != now:
            yield f"the run's {name} is {now!s}, but its start recorded {before!s}"


def _faults_in_head(run: Run) -> Iterator[str]:
    progress = progress_of_run(run, run.events.lines().order_by("seq"))
    for name in ("status", "ended_at", "end_reason"):
        derived, stored = getattr(progress, name), getattr(run, name)
        if derived != stored:
            yield f"the run's {name} is {stored!s}, but its events lead to {derived!s}"


def origin_of(run: Run) -> dict[str, Any]:
    """Return what a run is, to be recorded in its first event, so that the chain of hashes covers it.

    Who started it and when are that event's own actor and instant.
    """
    revision = run.revision
    return {
        "procedure": revision.procedure.key,
        "revision": revision.number,
        "content_sha256": revision.content_sha256,
        "title": run.title,
        "external_ref": run.external_ref,
    }


def _events(first: int, last: int) -> str:
    return f"event {first} is" if first == last else f"events {first} to {last} are"


def _columns(event: RunEvent) -> dict[str, Any]:
    return {
        "run": str(event.run_id),
        "seq": event.seq,
        "kind": str(event.kind),
        "step": event.step.key if event.step else None,
        "values": _text(event.values),
        "checklist": _text(event.checklist),
        "deviations": _text(event.deviations),
        "note": event.note,
        "reason": event.reason,
        "amends": event.amends,
        "actor": event.actor_id,
        "actor_name": event.actor_name,
        "recorded_at": _instant(event.recorded_at),
        "performed_at": _instant(event.performed_at) if event.performed_at else None,
        "idempotency_key": event.idempotency_key,
        "request_sha256": event.request_sha256,
    }


def _text(content: Any) -> str:
    return exact_json.dumps(content, sort_keys=True).decode()


def _instant(instant: datetime) -> str:
    # To the millisecond, as it is served. PostgreSQL can store microseconds, and changing those must show as well.
    precision = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
