"""Every write to runs: start, and the verbs that add an event to a run's ledger.

Each verb is one transaction, serialised per run by the lock on its row. What is refused writes nothing, and
the checks come in the documented order (docs/api.md, "Which error comes first"): the run, a repeated
request, the step, rights, If-Match, the run's state, the step's, the body.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from access.rights import Right, require, require_role
from procedures.models import Ordering, Procedure, ProcedureStatus, Step
from rest.findings import Finding
from rest.idempotency import UNKEYED, RequestIdentity, check_same_request
from rest.problems import validation_failed
from runs.ledger import hash_of, origin_of
from runs.models import Run, RunEvent
from runs.problems import (
    AMEND_TARGET_STALE,
    PROCEDURE_ARCHIVED,
    RUN_NOT_IN_PROGRESS,
    RUN_TOO_LONG,
    STEP_ALREADY_COMMITTED,
    STEP_NOT_FOUND,
    STEP_NOT_SKIPPABLE,
    STEP_OUT_OF_ORDER,
)
from runs.records import RunHead, RunRecord, head_of, new_record, record_of
from runs.serializers import CommitSerializer
from runs.states import EventKind, RunStatus
from runs.submissions import EMPTY, Submission
from versioned_cache.keys import run_resource
from versioned_cache.versions import committed_version, settled_version


class RunChanged(Exception):
    """The run is not at the version that the client expects; `version` is the current one."""

    def __init__(self, version: int | None) -> None:
        super().__init__(f"at {version}")
        self.version = version


Head_co = TypeVar("Head_co", bound=RunHead, covariant=True)


@dataclass(frozen=True, slots=True)
class Recorded(Generic[Head_co]):
    """What a verb did.

    Attributes:
        event: The event that was recorded.
        head: The run right after it; of a start the whole record.
        version: The version of the run's representation; None where an earlier answer is repeated.
        is_replayed: Whether the request had been carried out before.
    """

    event: RunEvent
    head: Head_co
    version: int | None
    is_replayed: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants what done to which run, and when: what all verbs have in common.

    Attributes:
        expected: The versions of which one must be current (If-Match); None for whatever it is.
        identity: Which request it is, so that repeating it does nothing twice.
    """

    run_id: UUID
    actor: User
    now: datetime
    submission: Submission = EMPTY
    expected: frozenset[int] | None = None
    identity: RequestIdentity = UNKEYED


@transaction.atomic
def start_run(
    *,
    procedure_key: str,
    revision_number: int | None = None,
    title: str | None = None,
    external_ref: str | None = None,
    actor: User,
    now: datetime,
    identity: RequestIdentity = UNKEYED,
) -> Recorded[RunRecord]:
    """Start a run of a published revision, by default the current one.

    Raises:
        PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND: there is no such thing.
        IDEMPOTENCY_KEY_REUSED: the key belongs to another request.
        FORBIDDEN: the actor may not.
        PROCEDURE_ARCHIVED: the procedure takes no new runs.
    """
    # The lock makes twins of this request wait, and keeps an archiving transaction from slipping in between the
    # check and the insert.
    procedure = Procedure.objects.lock_published(procedure_key)
    if replay := replay_of_start(actor, identity):
        return replay
    require(actor, Right.EXECUTE_RUNS)
    revision = procedure.current_revision if revision_number is None else procedure.published_revision(revision_number)
    if procedure.status == ProcedureStatus.ARCHIVED:
        raise PROCEDURE_ARCHIVED
    run = Run(
        revision=revision,
        title=revision.title if title is None else title,
        external_ref=external_ref,
        last_seq=0,
        started_by=actor,
        started_by_name=name_of(actor),
        started_at=now,
        idempotency_key=identity.key,
        request_sha256=identity.fingerprint,
    )
    # The run keeps the identity, since starts have another scope of keys than what happens in the run.
    order = Order(run.pk, actor, now, Submission(values=origin_of(run)))
    event = _next_event(run, EventKind.START, order, previous_hash="")
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError:
        # A moment ago the key was used for a run of another procedure.
        if replay := replay_of_start(actor, identity):
            return replay
        raise
    event.save(force_insert=True)
    return Recorded(event, new_record(run, [event]), settled_version(run_resource(run.pk)))


def replay_of_start(actor: User, identity: RequestIdentity) -> Recorded[RunRecord] | None:
    """Return the answer to this request if it started a run before: the run as it was right after.

    Raises:
        IDEMPOTENCY_KEY_REUSED: the key belongs to another request.
    """
    if identity.key is None:
        return None
    run = Run.objects.with_head().filter(started_by=actor, idempotency_key=identity.key).first()
    if run is None:
        return None
    check_same_request(identity, run.request_sha256)
    return _repeated(run, run.events.get(kind=EventKind.START))


def commit_step(order: Order, step_key: str) -> Recorded[RunHead]:
    """Commit a step; the commit that resolves the last one completes the run.

    Raises:
        RUN_NOT_FOUND, STEP_NOT_FOUND: there is no such thing.
        IDEMPOTENCY_KEY_REUSED: the key belongs to another request.
        FORBIDDEN, ROLE_REQUIRED: the actor may not.
        RunChanged: the run is not at an expected version.
        RUN_NOT_IN_PROGRESS: the run takes no commits.
        STEP_OUT_OF_ORDER: earlier steps come first.
        STEP_ALREADY_COMMITTED: it was done before, perhaps a moment ago by somebody else.
        VALIDATION_FAILED: the values or the checklist are not what the step asks for.
    """

    def check(head: RunHead, step: Step) -> Sequence[Finding]:
        _check_may_resolve(head, step)
        return order.submission.findings_for(step, order.now)

    return _record_about_step(order, step_key, EventKind.COMMIT, check)


def skip_step(order: Order, step_key: str) -> Recorded[RunHead]:
    """Skip a skippable step, for a reason.

    Raises:
        STEP_NOT_SKIPPABLE: the step must be done.
        Exception: as for `commit_step`.
    """

    def check(head: RunHead, step: Step) -> Sequence[Finding]:
        _check_may_resolve(head, step)
        if not step.skippable:
            raise STEP_NOT_SKIPPABLE
        return order.submission.findings

    return _record_about_step(order, step_key, EventKind.SKIP, check)


def amend_step(order: Order, step_key: str) -> Recorded[RunHead]:
    """Correct what was committed or skipped, for a reason; what is corrected stays in the ledger.

    Raises:
        AMEND_TARGET_STALE: the amendment names another event than the one that counts.
        RUN_TOO_LONG: the run has no room for amendments.
        Exception: as for `commit_step`.
    """

    def check(head: RunHead, step: Step) -> Sequence[Finding]:
        if head.progress.status not in (RunStatus.IN_PROGRESS, RunStatus.COMPLETED):
            raise RUN_NOT_IN_PROGRESS(run_status=head.progress.status)
        _check_has_room(head)
        effective = head.progress.of(step).effective
        effective_seq = effective.seq if effective else None
        if order.submission.amends is not None and order.submission.amends != effective_seq:
            raise AMEND_TARGET_STALE(effective_seq=effective_seq)
        if effective_seq is None:
            raise AMEND_TARGET_STALE(effective_seq=None)
        return order.submission.findings_for(step, order.now)

    return _record_about_step(order, step_key, EventKind.AMEND, check)


def pause_run(order: Order) -> Recorded[RunHead]:
    """Pause a running run: until it is resumed it takes no commits.

    Raises:
        RUN_NOT_FOUND, IDEMPOTENCY_KEY_REUSED, FORBIDDEN, RunChanged, RUN_NOT_IN_PROGRESS, RUN_TOO_LONG,
        VALIDATION_FAILED: as for `commit_step`.
    """
    return _record_about_run(order, EventKind.PAUSE, [RunStatus.IN_PROGRESS], Right.EXECUTE_RUNS)


def resume_run(order: Order) -> Recorded[RunHead]:
    """Resume a paused run.

    Raises:
        Exception: as for `pause_run`, but never RUN_TOO_LONG: no run is trapped in a pause.
    """
    return _record_about_run(order, EventKind.RESUME, [RunStatus.PAUSED], Right.EXECUTE_RUNS)


def abort_run(order: Order) -> Recorded[RunHead]:
    """End a run before its steps are resolved, for a reason and for good.

    Raises:
        Exception: as for `pause_run`, but never RUN_TOO_LONG: no run is trapped.
    """
    return _record_about_run(order, EventKind.ABORT, [RunStatus.IN_PROGRESS, RunStatus.PAUSED], Right.ABORT_RUNS)


def name_of(user: User) -> str:
    """Return the name under which a person enters the ledger."""
    return user.get_full_name() or user.username


@transaction.atomic
def _record_about_step(
    order: Order, step_key: str, kind: EventKind, check: Callable[[RunHead, Step], Sequence[Finding]]
) -> Recorded[RunHead]:
    """Record an event about a step, once everything allows it; `check` raises, or returns findings."""
    run = _locked_run(order.run_id)
    if replay := _replay(run, order.identity):
        return replay
    head = head_of(run)
    step = _step_with_key(step_key, head)
    is_late = kind is EventKind.AMEND and head.progress.status is RunStatus.COMPLETED
    require(order.actor, Right.AMEND_COMPLETED_RUNS if is_late else Right.EXECUTE_RUNS)
    require_role(order.actor, step.role)
    _check_expected(order)
    if findings := check(head, step):
        raise validation_failed(findings)
    return _record(order, head, kind, step)


@transaction.atomic
def _record_about_run(order: Order, kind: EventKind, allowed_in: list[RunStatus], right: Right) -> Recorded[RunHead]:
    """Record an event about the run as a whole, once everything allows it."""
    run = _locked_run(order.run_id)
    if replay := _replay(run, order.identity):
        return replay
    head = head_of(run)
    require(order.actor, right)
    _check_expected(order)
    if head.progress.status not in allowed_in:
        raise RUN_NOT_IN_PROGRESS(run_status=head.progress.status)
    if kind is EventKind.PAUSE:
        _check_has_room(head)
    if order.submission.findings:
        raise validation_failed(order.submission.findings)
    return _record(order, head, kind, step=None)


def _record(order: Order, head: RunHead, kind: EventKind, step: Step | None) -> Recorded[RunHead]:
    event = _next_event(head.run, kind, order, head.outline.newest.hash, step)
    event.save(force_insert=True)
    after = head.with_event(event)
    run = head.run
    run.status = after.progress.status
    run.ended_at = after.progress.ended_at
    run.end_reason = after.progress.end_reason
    run.save(update_fields=["last_seq", "status", "ended_at", "end_reason"])
    return Recorded(event, after, settled_version(run_resource(run.pk)))


def _next_event(run: Run, kind: EventKind, order: Order, previous_hash: str, step: Step | None = None) -> RunEvent:
    """Return the run's next event, unsaved, and count it in the run's head."""
    run.last_seq += 1
    submission = order.submission
    event = RunEvent(
        run=run,
        seq=run.last_seq,
        kind=kind,
        step=step,
        values=submission.values,
        checklist=submission.checklist,
        deviations=submission.deviations_for(step) if step else [],
        note=submission.note,
        reason=submission.reason,
        amends=submission.amends,
        actor=order.actor,
        actor_name=name_of(order.actor),
        recorded_at=order.now,
        performed_at=submission.performed_at,
        idempotency_key=order.identity.key,
        request_sha256=order.identity.fingerprint,
    )
    event.hash = hash_of(event, previous_hash)
    return event


def _locked_run(run_id: UUID) -> Run:
    return Run.objects.select_for_update(of=("self",)).with_head().get_existing(run_id)


def _replay(run: Run, identity: RequestIdentity) -> Recorded[RunRecord] | None:
    """Return the answer to this request if it was carried out before: the run as it was right after."""
    if identity.key is None:
        return None
    event = run.events.select_related("step").filter(idempotency_key=identity.key).first()
    if event is None:
        return None
    check_same_request(identity, event.request_sha256)
    return _repeated(run, event)


def _repeated(run: Run, event: RunEvent) -> Recorded[RunRecord]:
    return Recorded(event, record_of(run).as_of(event.seq), version=None, is_replayed=True)


def _step_with_key(key: str, head: RunHead) -> Step:
    for step in head.pinned_steps:
        if step.key == key:
            return step
    known_steps = [step.key for step in head.pinned_steps]
    raise STEP_NOT_FOUND(revision=head.run.revision.number, known_steps=known_steps)


def _check_expected(order: Order) -> None:
    if order.expected is not None:
        version = committed_version(run_resource(order.run_id))
        if version not in order.expected:
            raise RunChanged(version)


def _check_may_resolve(head: RunHead, step: Step) -> None:
    if head.progress.status is not RunStatus.IN_PROGRESS:
        raise RUN_NOT_IN_PROGRESS(run_status=head.progress.status)
    if head.run.revision.ordering == Ordering.STRICT and (blocking := head.progress.unresolved_before(step)):
        raise STEP_OUT_OF_ORDER(blocking_steps=blocking)
    effective = head.progress.of(step).effective
    if effective is not None:
        raise STEP_ALREADY_COMMITTED(commit=CommitSerializer(effective).data)


def _check_has_room(head: RunHead) -> None:
    if head.last_seq >= settings.MAX_EVENTS:
        raise RUN_TOO_LONG
