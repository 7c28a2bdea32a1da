"""The chain of hashes over a run's events: it shows an event that was changed, removed or moved by hand.

The first event records what the run is, with the hash of its revision's content, so the chain covers these too. The
chain has no key: whoever can switch the triggers off can also write a new one, or remove a whole run. Only a hash that
was noted elsewhere shows that.

The hash of an event is the SHA-256 of the previous event's hash (empty for the first), a newline, and the canonical
JSON (RFC 8785) of the event's own columns. Columns that contain JSON enter it as text (sorted names, no white space,
digits as they were written), because RFC 8785 reads numbers as doubles, and 12.50 g would become 12.5 g.
This form must never change: old hashes were made with it (docs/adr/0007).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from typing import Any
from uuid import UUID

import rfc8785
from django.db.models import QuerySet, prefetch_related_objects

from procedures.models import content_of
from rest import exact_json
from runs.models import Run, RunEvent
from runs.progress import LedgerLine, PinnedStep, progress_of
from runs.records import line_of
from runs.states import EventKind

EVENTS_PER_FETCH = 200


def hash_of(event: RunEvent, previous_hash: str) -> str:
    """Return the hash that an event must have after the event with `previous_hash`."""
    canonical = rfc8785.dumps(_columns(event))
    return hashlib.sha256(previous_hash.encode() + b"\n" + canonical).hexdigest()


def faults_in(run: Run) -> list[str]:
    """Return what is wrong with a run's ledger, in words.

    Call it within one snapshot. It takes two statements, and never has the values of all events in memory.
    """
    prefetch_related_objects([run], "revision__steps")
    return _faults_in_run(run, _checked_columns(run.events.all()).order_by("seq").iterator(EVENTS_PER_FETCH))


def faults_in_each(run_ids: Sequence[UUID]) -> list[tuple[UUID, list[str]]]:
    """Return what is wrong with each of some runs, by id; likewise, in three statements for all of them."""
    runs = list(Run.objects.with_head().filter(pk__in=run_ids).order_by("pk"))
    prefetch_related_objects(runs, "revision__steps")
    events = _checked_columns(RunEvent.objects.filter(run__in=runs)).order_by("run_id", "seq")
    by_run = groupby(events.iterator(EVENTS_PER_FETCH), key=lambda event: event.run_id)
    found = []
    run_id, group = next(by_run, (None, iter(())))
    for run in runs:
        has_events = run.pk == run_id
        found.append((run.pk, _faults_in_run(run, group if has_events else ())))
        if has_events:
            run_id, group = next(by_run, (None, iter(())))
    return found


def _checked_columns(events: "QuerySet[RunEvent]") -> "QuerySet[RunEvent]":
    """Return events with everything that is hashed, and of their steps only what is checked."""
    own = [field.name for field in RunEvent._meta.concrete_fields]
    return events.select_related("step").only(*own, "step__key", "step__revision_id")


def _faults_in_run(run: Run, events: Iterable[RunEvent]) -> list[str]:
    """Return what is wrong with a run that has these events, by seq, and comes with the steps of its revision."""
    lines: list[LedgerLine] = []
    faults = list(_faults_in_chain(run, _noted(events, lines)))
    # Events that are incomplete or changed do not tell what the run's columns should be.
    faults = faults or list(_faults_in_columns(run, lines))
    return [*_faults_in_revision(run), *faults, *_faults_in_time(lines)]


def _noted(events: Iterable[RunEvent], lines: list[LedgerLine]) -> Iterator[RunEvent]:
    for event in events:
        lines.append(line_of(event))
        yield event


def _faults_in_revision(run: Run) -> Iterator[str]:
    if content_of(run.revision).content_sha256 != run.revision.content_sha256:
        yield f"the content of {run.revision} does not match its hash"


def _faults_in_chain(run: Run, events: Iterable[RunEvent]) -> Iterator[str]:
    previous_hash, previous_seq = "", 0
    for event in events:
        if event.seq != previous_seq + 1:
            # The hash of this event was made with that of a missing one, so it cannot be checked.
            yield f"{_events(previous_seq + 1, event.seq - 1)} missing"
        elif event.hash != hash_of(event, previous_hash):
            yield f"event {event.seq} ({event.kind}) does not match its hash, or the one before was changed"
        yield from _faults_in_event(run, event)
        previous_hash, previous_seq = event.hash, event.seq
    if run.last_seq != previous_seq:
        yield f"the newest event is {previous_seq}, but the run's last_seq is {run.last_seq}"


def _faults_in_event(run: Run, event: RunEvent) -> Iterator[str]:
    """Yield how an event does not fit its run, which its hash cannot show."""
    if (event.kind == EventKind.START) != (event.seq == 1):
        yield f"event {event.seq} ({event.kind}) is out of place: a run has one start, as its first event"
    if event.step is not None and event.step.revision_id != run.revision_id:
        yield f"event {event.seq} ({event.kind}) is about a step of another revision"
    if event.kind == EventKind.START:
        yield from _faults_in_start(run, event)


def _faults_in_start(run: Run, start: RunEvent) -> Iterator[str]:
    for name, stored, recorded in (
        ("origin", origin_of(run), start.values),
        ("started_by", run.started_by_id, start.actor_id),
        ("started_by_name", run.started_by_name, start.actor_name),
        ("started_at", run.started_at, start.recorded_at),
    ):
        if stored != recorded:
            yield f"the run's {name} is {stored}, but its first event says {recorded}"


def _faults_in_columns(run: Run, lines: Sequence[LedgerLine]) -> Iterator[str]:
    """Yield which columns of the run differ from what its events say."""
    steps = [PinnedStep(step.key, step.title) for step in run.revision.steps.all()]
    progress = progress_of(run.revision.ordering, steps, lines)
    for name in ("status", "ended_at", "end_reason"):
        stored, derived = getattr(run, name), getattr(progress, name)
        if stored != derived:
            yield f"the run's {name} is {stored}, but its events make it {derived}"


def _faults_in_time(lines: Sequence[LedgerLine]) -> Iterator[str]:
    """Yield where time goes back: not a change of the record, but a sign that a clock was off."""
    for before, line in pairwise(lines):
        if line.recorded_at < before.recorded_at:
            seconds = (before.recorded_at - line.recorded_at).total_seconds()
            yield f"event {line.seq} ({line.kind}) is recorded {seconds:.3f} s before the one before it"


def origin_of(run: Run) -> dict[str, Any]:
    """Return what a run is, as its first event records it, so that the chain covers it.

    Who started the run and when are the actor and the time of that event.
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
    # To the millisecond, as it is served; but PostgreSQL can store a change below that, and it must show.
    precision = "microseconds" if instant.microsecond % 1000 else "milliseconds"
    return instant.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
