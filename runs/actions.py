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
from runs.caches import run_resource
from runs.ledger import hash_of, origin_of
from runs.models import EventKind, Run, RunEvent, RunStatus
from runs.records import RunHead, RunRecord, head_of, new_record, record_of
from runs.submissions import EMPTY, Submission
from versioned_cache.http.validators import ExpectedVersions
from versioned_cache.versions import committed_version, settled_version


class ProcedureArchived(Exception):
    """No new run may be started from an archived procedure."""


class StepNotFound(Exception):
    """The run's pinned revision has no such step."""

    def __init__(self, revision: int, known_steps: list[str]) -> None:
        super().__init__("step not found")
        self.revision = revision
        self.known_steps = known_steps


class RunNotInProgress(Exception):
    """The run's state does not allow the verb."""

    def __init__(self, run_status: str) -> None:
        super().__init__(run_status)
        self.run_status = run_status


class RunTooLong(Exception):
    """The run has so many events that it takes only those that bring it to its end."""


class StepOutOfOrder(Exception):
    """The order is strict, and earlier steps are not resolved yet."""

    def __init__(self, blocking_steps: list[str]) -> None:
        super().__init__(", ".join(blocking_steps))
        self.blocking_steps = blocking_steps


class StepAlreadyCommitted(Exception):
    """The step has been committed or skipped; `event` is what counts."""

    def __init__(self, event: RunEvent) -> None:
        super().__init__(f"seq {event.seq}")
        self.event = event


class StepNotSkippable(Exception):
    """The step must be done."""


class AmendTargetStale(Exception):
    """The amendment names an event that does not count (any more); `effective_seq` is the one that does."""

    def __init__(self, effective_seq: int | None) -> None:
        super().__init__(f"effective is {effective_seq}")
        self.effective_seq = effective_seq


class InvalidSubmission(Exception):
    """The submission breaks rules; `findings` lists them all."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(f"{len(findings)} problems")
        self.findings = list(findings)


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
    expected: ExpectedVersions | None = None
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
        ProcedureNotFound, RevisionNotFound: there is no such thing.
        IdempotencyKeyReused: the key belongs to another request.
        NotAllowed: the actor may not.
        ProcedureArchived: the procedure takes no new runs.
    """
    # The lock makes twins of this request wait, and keeps an archiving transaction from slipping in between the
    # check and the insert.
    procedure = Procedure.objects.lock_published(procedure_key)
    if replay := replay_of_start(actor, identity):
        return replay
    require(actor, Right.EXECUTE_RUNS)
    revision = procedure.current_revision if revision_number is None else procedure.published_revision(revision_number)
    if procedure.status == ProcedureStatus.ARCHIVED:
        raise ProcedureArchived
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
        IdempotencyKeyReused: the key belongs to another request.
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
        RunNotFound, StepNotFound: there is no such thing.
        IdempotencyKeyReused: the key belongs to another request.
        NotAllowed, RoleRequired: the actor may not.
        VersionMismatch: the run is not at an expected version.
        RunNotInProgress: the run takes no commits.
        StepOutOfOrder: earlier steps come first.
        StepAlreadyCommitted: it was done before, perhaps a moment ago by somebody else.
        InvalidSubmission: the values or the checklist are not what the step asks for.
    """

    def check(head: RunHead, step: Step) -> Sequence[Finding]:
        _check_may_resolve(head, step)
        return order.submission.findings_for(step, order.now)

    return _record_about_step(order, step_key, EventKind.COMMIT, check)


def skip_step(order: Order, step_key: str) -> Recorded[RunHead]:
    """Skip a skippable step, for a reason.

    Raises:
        StepNotSkippable: the step must be done.
        Exception: as for `commit_step`.
    """

    def check(head: RunHead, step: Step) -> Sequence[Finding]:
        _check_may_resolve(head, step)
        if not step.skippable:
            raise StepNotSkippable
        return order.submission.findings

    return _record_about_step(order, step_key, EventKind.SKIP, check)


def amend_step(order: Order, step_key: str) -> Recorded[RunHead]:
    """Correct what was committed or skipped, for a reason; what is corrected stays in the ledger.

    Raises:
        AmendTargetStale: the amendment names another event than the one that counts.
        RunTooLong: the run has no room for amendments.
        Exception: as for `commit_step`.
    """

    def check(head: RunHead, step: Step) -> Sequence[Finding]:
        if head.progress.status not in (RunStatus.IN_PROGRESS, RunStatus.COMPLETED):
            raise RunNotInProgress(head.progress.status)
        _check_has_room(head)
        effective = head.progress.of(step.key).effective
        effective_seq = effective.seq if effective else None
        if order.submission.amends is not None and order.submission.amends != effective_seq:
            raise AmendTargetStale(effective_seq)
        if effective_seq is None:
            raise AmendTargetStale(None)
        return order.submission.findings_for(step, order.now)

    return _record_about_step(order, step_key, EventKind.AMEND, check)


def pause_run(order: Order) -> Recorded[RunHead]:
    """Pause a running run: until it is resumed it takes no commits.

    Raises:
        RunNotFound, IdempotencyKeyReused, NotAllowed, VersionMismatch, RunNotInProgress, RunTooLong,
        InvalidSubmission: as for `commit_step`.
    """
    return _record_about_run(order, EventKind.PAUSE, [RunStatus.IN_PROGRESS], Right.EXECUTE_RUNS)


def resume_run(order: Order) -> Recorded[RunHead]:
    """Resume a paused run.

    Raises:
        Exception: as for `pause_run`, but never RunTooLong: no run is trapped in a pause.
    """
    return _record_about_run(order, EventKind.RESUME, [RunStatus.PAUSED], Right.EXECUTE_RUNS)


def abort_run(order: Order) -> Recorded[RunHead]:
    """End a run before its steps are resolved, for a reason and for good.

    Raises:
        Exception: as for `pause_run`, but never RunTooLong: no run is trapped.
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
        raise InvalidSubmission(findings)
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
        raise RunNotInProgress(head.progress.status)
    if kind is EventKind.PAUSE:
        _check_has_room(head)
    if order.submission.findings:
        raise InvalidSubmission(order.submission.findings)
    return _record(order, head, kind, step=None)


def _record(order: Order, head: RunHead, kind: EventKind, step: Step | None) -> Recorded[RunHead]:
    event = _next_event(head.run, kind, order, head.newest_hash, step)
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
    raise StepNotFound(head.run.revision.number or 0, [step.key for step in head.pinned_steps])


def _check_expected(order: Order) -> None:
    if order.expected is not None:
        order.expected.check(committed_version(run_resource(order.run_id)))


def _check_may_resolve(head: RunHead, step: Step) -> None:
    if head.progress.status is not RunStatus.IN_PROGRESS:
        raise RunNotInProgress(head.progress.status)
    if head.run.revision.ordering == Ordering.STRICT and (blocking := head.progress.unresolved_before(step.key)):
        raise StepOutOfOrder(blocking)
    effective = head.progress.of(step.key).effective
    if effective is not None:
        raise StepAlreadyCommitted(head.event_with_seq(effective.seq))


def _check_has_room(head: RunHead) -> None:
    if head.last_seq >= settings.MAX_EVENTS:
        raise RunTooLong
