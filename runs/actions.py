"""Every write to runs: start, and the verbs that add an event to a run's ledger.

Each write is one transaction; the verbs of one run are serialised by the lock on its row. A refused write changes
nothing. The checks come in the documented order (docs/api.md, "Which error comes first"): the run, a repeated request,
the step, rights, If-Match, the run's state, the step's, the body. Saving a run or an event invalidates the run's
cached body (`runs.signals`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from uuid_utils.compat import uuid7

from access.names import name_of
from access.rights import Right, require, require_role
from procedures.models import Ordering, Procedure, ProcedureStatus, Revision, Step
from rest.findings import Finding
from rest.idempotency import UNKEYED, Answer, RequestIdentity, check_same_request
from rest.problems import Problem, validation_failed
from runs.caches import FINGERPRINT, run_resource
from runs.ledger import hash_of, origin_of
from runs.metrics import count_recorded, counted
from runs.models import Receipt, Run, RunEvent
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
from runs.records import RunHead, head_of, new_record, record_of
from runs.serializers import CommitSerializer, answer_to
from runs.states import NOT_ENDED, EventKind, RunStatus
from runs.submissions import EMPTY, StartSubmission, Submission
from versioned_cache.http.validators import ExpectedVersions, etag
from versioned_cache.versions import committed_version, settled_version


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write led to.

    Attributes:
        event: The event that was recorded, now or before.
        answer: What the request is answered.
    """

    event: RunEvent
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbRequest:
    """A request for a verb: who wants what done in which run, and when.

    Attributes:
        expected: The versions of which one must be current (If-Match); None for any.
        identity: What tells the request from others, so that repeating it does nothing twice.
    """

    run_id: UUID
    actor: User
    now: datetime
    submission: Submission = EMPTY
    expected: ExpectedVersions | None = None
    identity: RequestIdentity = UNKEYED


@counted(EventKind.START)
@transaction.atomic
def start_run(
    *, submission: StartSubmission, actor: User, now: datetime, identity: RequestIdentity = UNKEYED
) -> Outcome:
    """Start a run of a published revision, by default the current one.

    Raises:
        IDEMPOTENCY_KEY_REUSED: the Idempotency-Key belongs to another request.
        FORBIDDEN: the actor lacks the right.
        VALIDATION_FAILED: the body is malformed.
        PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND: the body names something that does not exist.
        PROCEDURE_ARCHIVED: the procedure takes no new runs.
    """
    if replay := _replay_of_start(actor, identity):
        return replay
    require(actor, Right.EXECUTE_RUNS)
    if submission.findings:
        raise validation_failed(submission.findings)
    # The lock makes concurrent repetitions of this request wait, and keeps the procedure from being archived between
    # the check and the insert.
    procedure = Procedure.objects.lock_published(submission.procedure)
    if replay := _replay_of_start(actor, identity):
        return replay
    revision = procedure.current_revision
    if submission.revision is not None:
        revision = procedure.published_revision(submission.revision)
    if procedure.status == ProcedureStatus.ARCHIVED:
        raise PROCEDURE_ARCHIVED("An archived procedure takes no new runs.")
    run = _new_run(revision, submission, actor, now, identity)
    request = VerbRequest(run_id=run.pk, actor=actor, now=now, submission=Submission(values=origin_of(run)))
    event = _next_event(run, EventKind.START, request, recorded_at=now, previous_hash="")
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError:
        # A concurrent request used the key for a run of another procedure.
        if replay := _replay_of_start(actor, identity):
            return replay
        raise
    event.save(force_insert=True)
    return _answered(event, new_record(run, [event]), identity)


@counted(EventKind.COMMIT)
def commit_step(*, request: VerbRequest, step_key: str) -> Outcome:
    """Commit a step; the commit that resolves the last one completes the run.

    Raises:
        RUN_NOT_FOUND, STEP_NOT_FOUND: the run or the step does not exist.
        IDEMPOTENCY_KEY_REUSED: the key belongs to another request.
        FORBIDDEN, ROLE_REQUIRED: the actor lacks the right or the role.
        VersionMismatch: the run is not at an expected version.
        RUN_NOT_IN_PROGRESS: the run takes no commits.
        STEP_OUT_OF_ORDER: earlier steps come first.
        STEP_ALREADY_COMMITTED: it was committed or skipped before, perhaps a moment ago by somebody else.
        VALIDATION_FAILED: the values or the checklist break the step's rules.
    """
    step, findings_of = _checked_early(request, step_key)

    def check(head: RunHead, step: Step) -> Sequence[Finding]:
        _check_may_resolve(head, step)
        return findings_of(step)

    return _record_about_step(request, step_key, EventKind.COMMIT, check, step)


@counted(EventKind.SKIP)
def skip_step(*, request: VerbRequest, step_key: str) -> Outcome:
    """Skip a skippable step, for a reason.

    Raises:
        STEP_NOT_SKIPPABLE: the step cannot be skipped.
        Exception: as for `commit_step`.
    """

    def check(head: RunHead, step: Step) -> Sequence[Finding]:
        _check_may_resolve(head, step)
        if not step.skippable:
            raise STEP_NOT_SKIPPABLE
        return request.submission.findings

    return _record_about_step(request, step_key, EventKind.SKIP, check)


@counted(EventKind.AMEND)
def amend_step(*, request: VerbRequest, step_key: str) -> Outcome:
    """Correct a commit or a skip, for a reason; the original stays in the ledger.

    Raises:
        AMEND_TARGET_STALE: the amendment names an event other than the effective one.
        RUN_TOO_LONG: the run has no room for amendments.
        Exception: as for `commit_step`.
    """
    step, findings_of = _checked_early(request, step_key)

    def check(head: RunHead, step: Step) -> Sequence[Finding]:
        if head.progress.status not in (RunStatus.IN_PROGRESS, RunStatus.COMPLETED):
            raise _wrong_state(head.progress.status)
        _check_has_room(head)
        effective = head.progress.of(step.key).effective
        effective_seq = effective.seq if effective else None
        if effective_seq is None or request.submission.amends not in (None, effective_seq):
            detail = "The step has nothing to amend." if effective_seq is None else f"Amend event {effective_seq}."
            raise AMEND_TARGET_STALE(detail, effective_seq=effective_seq)
        return findings_of(step)

    return _record_about_step(request, step_key, EventKind.AMEND, check, step)


@counted(EventKind.PAUSE)
def pause_run(*, request: VerbRequest) -> Outcome:
    """Pause a run: until it is resumed, it takes no commits.

    Raises:
        RUN_NOT_FOUND, IDEMPOTENCY_KEY_REUSED, FORBIDDEN, VersionMismatch, RUN_NOT_IN_PROGRESS, RUN_TOO_LONG,
        VALIDATION_FAILED: as for `commit_step`.
    """
    return _record_about_run(request, EventKind.PAUSE, [RunStatus.IN_PROGRESS], Right.EXECUTE_RUNS)


@counted(EventKind.RESUME)
def resume_run(*, request: VerbRequest) -> Outcome:
    """Resume a paused run.

    Raises:
        Exception: as for `pause_run`, but never RUN_TOO_LONG: no run gets stuck in a pause.
    """
    return _record_about_run(request, EventKind.RESUME, [RunStatus.PAUSED], Right.EXECUTE_RUNS)


@counted(EventKind.ABORT)
def abort_run(*, request: VerbRequest) -> Outcome:
    """End a run for good before its steps are resolved, for a reason.

    Raises:
        Exception: as for `pause_run`, but never RUN_TOO_LONG: every run can be ended.
    """
    return _record_about_run(request, EventKind.ABORT, NOT_ENDED, Right.ABORT_RUNS)


def _checked_early(request: VerbRequest, step_key: str) -> tuple[Step | None, Callable[[Step], Sequence[Finding]]]:
    """Check a submission before the run is locked, and return the step and what gives the findings once it is.

    Matching patterns can take a while. The step cannot change meanwhile: the run's revision is pinned and frozen. If
    nothing is checked now, because there is no such step or the actor may not do this anyway, it is checked then.
    """
    step = None
    if request.actor.has_perm(Right.EXECUTE_RUNS):
        step = Step.objects.filter(revision__runs=request.run_id, key=step_key).first()
    if step is None:
        return None, lambda found: request.submission.findings_for(found, request.now)
    findings = request.submission.findings_for(step, request.now)
    return step, lambda _: findings


@transaction.atomic
def _record_about_step(
    request: VerbRequest,
    step_key: str,
    kind: EventKind,
    check: Callable[[RunHead, Step], Sequence[Finding]],
    step: Step | None = None,
) -> Outcome:
    """Record an event about a step, read here unless it was before, if every check passes.

    `check` raises a problem or returns findings.
    """
    run = _locked_run(request.run_id)
    if replay := _replay(run, request.identity):
        return replay
    head = head_of(run)
    step = step or _step_with_key(step_key, head)
    is_late = kind is EventKind.AMEND and head.progress.status is RunStatus.COMPLETED
    require(request.actor, Right.AMEND_COMPLETED_RUNS if is_late else Right.EXECUTE_RUNS)
    require_role(request.actor, step.role)
    _check_expected(request)
    if findings := check(head, step):
        raise validation_failed(findings)
    return _record(request, head, kind, step)


@transaction.atomic
def _record_about_run(request: VerbRequest, kind: EventKind, allowed_in: list[RunStatus], right: Right) -> Outcome:
    """Record an event about the run as a whole if every check passes."""
    run = _locked_run(request.run_id)
    if replay := _replay(run, request.identity):
        return replay
    head = head_of(run)
    require(request.actor, right)
    _check_expected(request)
    if head.progress.status not in allowed_in:
        raise _wrong_state(head.progress.status)
    if kind is EventKind.PAUSE:
        _check_has_room(head)
    if request.submission.findings:
        raise validation_failed(request.submission.findings)
    return _record(request, head, kind, step=None)


def _record(request: VerbRequest, head: RunHead, kind: EventKind, step: Step | None) -> Outcome:
    # The request may have waited for the lock behind a later one; and a clock may have been put back.
    recorded_at = max(request.now, head.progress.recorded_at)
    event = _next_event(head.run, kind, request, recorded_at=recorded_at, previous_hash=head.newest_hash, step=step)
    event.save(force_insert=True)
    after = head.with_event(event)
    run = head.run
    run.status = after.progress.status
    run.ended_at = after.progress.ended_at
    run.end_reason = after.progress.end_reason
    run.save(update_fields=["last_seq", "status", "ended_at", "end_reason"])
    return _answered(event, after, request.identity)


def _answered(event: RunEvent, head: RunHead, identity: RequestIdentity) -> Outcome:
    """Return the outcome of a write that led to `head`, and keep its answer if the request has a key."""
    transaction.on_commit(partial(count_recorded, event, head), robust=True)
    entity_tag = etag(settled_version(run_resource(event.run_id)), FINGERPRINT)
    outcome = Outcome(event, Answer(answer_to(event, head), entity_tag))
    if identity.key is not None:
        Receipt.objects.create(event=event, body=outcome.answer.body, entity_tag=entity_tag)
    return outcome


def _next_event(
    run: Run,
    kind: EventKind,
    request: VerbRequest,
    *,
    recorded_at: datetime,
    previous_hash: str,
    step: Step | None = None,
) -> RunEvent:
    """Return the run's next event, unsaved, and count it in `last_seq`."""
    run.last_seq += 1
    submission = request.submission
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
        actor=request.actor,
        actor_name=name_of(request.actor),
        recorded_at=recorded_at,
        performed_at=submission.performed_at,
        idempotency_key=request.identity.key,
        request_sha256=request.identity.fingerprint,
    )
    event.hash = hash_of(event, previous_hash)
    return event


def _new_run(
    revision: Revision, submission: StartSubmission, actor: User, now: datetime, identity: RequestIdentity
) -> Run:
    """Return a new run, unsaved. It keeps the identity itself, since the keys of starts have a scope of their own."""
    return Run(
        id=uuid7(nanoseconds=int(now.timestamp() * 1000) * 1_000_000),  # lists are ordered by it: the record's clock
        revision=revision,
        title=revision.title if submission.title is None else submission.title,
        external_ref=submission.external_ref,
        last_seq=0,
        started_by=actor,
        started_by_name=name_of(actor),
        started_at=now,
        idempotency_key=identity.key,
        request_sha256=identity.fingerprint,
    )


def _locked_run(run_id: UUID) -> Run:
    return Run.objects.select_for_update(of=("self",)).with_head().get_existing(run_id)


def _replay_of_start(actor: User, identity: RequestIdentity) -> Outcome | None:
    """Return the earlier outcome if this request started a run before: the run as it was right after.

    Raises:
        IDEMPOTENCY_KEY_REUSED: the Idempotency-Key belongs to another request.
    """
    if identity.key is None:
        return None
    run = Run.objects.with_head().filter(started_by=actor, idempotency_key=identity.key).first()
    if run is None:
        return None
    check_same_request(identity, run.request_sha256)
    return _repeated(run, run.events.select_related("receipt").get(kind=EventKind.START))


def _replay(run: Run, identity: RequestIdentity) -> Outcome | None:
    """Return the earlier outcome if this request was carried out before: the run as it was right after."""
    if identity.key is None:
        return None
    event = run.events.select_related("step", "receipt").filter(idempotency_key=identity.key).first()
    if event is None:
        return None
    check_same_request(identity, event.request_sha256)
    return _repeated(run, event)


def _repeated(run: Run, event: RunEvent) -> Outcome:
    """Return the outcome again; an answer that was not kept is made again, from the run as it was right after."""
    if hasattr(event, "receipt"):
        return Outcome(event, Answer(bytes(event.receipt.body), event.receipt.entity_tag, is_replayed=True))
    body = answer_to(event, record_of(run).as_of(event.seq))
    return Outcome(event, Answer(body, entity_tag=None, is_replayed=True))


def _step_with_key(key: str, head: RunHead) -> Step:
    found = head.steps_with_keys([key])
    if not found:
        known_steps = [step.key for step in head.progress.pinned_steps]
        raise STEP_NOT_FOUND(revision=head.run.revision.number, known_steps=known_steps)
    return found[0]


def _check_expected(request: VerbRequest) -> None:
    if request.expected is not None:
        request.expected.check(committed_version(run_resource(request.run_id)))


def _check_may_resolve(head: RunHead, step: Step) -> None:
    if head.progress.status is not RunStatus.IN_PROGRESS:
        raise _wrong_state(head.progress.status)
    if head.run.revision.ordering == Ordering.STRICT and (blocking := head.progress.unresolved_before(step.key)):
        raise STEP_OUT_OF_ORDER(blocking_steps=blocking)
    effective = head.progress.of(step.key).effective
    if effective is not None:
        raise STEP_ALREADY_COMMITTED(commit=CommitSerializer(head.event_with_seq(effective.seq)).data)


def _wrong_state(status: RunStatus) -> Problem:
    return RUN_NOT_IN_PROGRESS(f"The run is {status.label.lower()}.", run_status=status)


def _check_has_room(head: RunHead) -> None:
    if head.last_seq >= settings.MAX_EVENTS:
        raise RUN_TOO_LONG("It cannot be paused or amended any more. You can still commit, skip, resume and abort.")
