"""The writes to published procedures: create, publish, archive, make active again, import.

Each is one transaction, and a refused one writes nothing. The checks come in the documented order (docs/api.md,
"Which error comes first"): the procedure, a repeated request, rights, If-Match, the definition. A revision gets its
number under the lock on its procedure's row. What the answer needs is read before COMMIT: if reading failed afterwards,
the client would be told that nothing was changed. Saving a procedure invalidates its cached bodies
(`procedures.signals`).
"""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import prefetch_related_objects

from access import history
from access.rights import Right, require
from procedures.caches import FINGERPRINT, procedure_resource
from procedures.definitions import Definition
from procedures.models import Procedure, ProcedureStatus, Receipt
from procedures.problems import PROCEDURE_KEY_TAKEN
from procedures.publishing import check_roles, publish, reactivate, retag, touch
from procedures.serializers import represent
from procedures.submissions import Submission
from rest import exact_json
from rest.idempotency import UNKEYED, Answer, RequestIdentity, check_same_request
from rest.problems import IDEMPOTENCY_KEY_REUSED, PRECONDITION_REQUIRED
from versioned_cache.http.validators import ExpectedVersions, etag
from versioned_cache.versions import committed_version, settled_version


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write led to.

    Attributes:
        procedure: The procedure right after the write.
        answer: What the request is answered.
    """

    procedure: Procedure
    answer: Answer


@transaction.atomic
def create_procedure(
    *, submission: Submission, actor: User, now: datetime, identity: RequestIdentity = UNKEYED
) -> Outcome:
    """Create a procedure and publish its revision 1.

    Raises:
        IDEMPOTENCY_KEY_REUSED: the Idempotency-Key belongs to another request.
        FORBIDDEN: the actor lacks the right.
        VALIDATION_FAILED: the definition breaks rules, or a step's role is not a group.
        PROCEDURE_KEY_TAKEN: another procedure has the key.
    """
    if replay := _replay(actor, identity):
        return replay
    require(actor, Right.CREATE_PROCEDURES)
    try:
        procedure = _create(submission.definition(), actor, now)
    except PROCEDURE_KEY_TAKEN:
        # A concurrent repetition of this request may have been faster.
        if replay := _replay(actor, identity):
            return replay
        raise
    return _keep_receipt(_outcome(procedure), actor, identity)


@transaction.atomic
def publish_revision(
    *,
    key: str,
    submission: Submission,
    actor: User,
    now: datetime,
    expected: ExpectedVersions | None = None,
    has_precondition: bool = True,
    identity: RequestIdentity = UNKEYED,
) -> Outcome:
    """Publish the next revision of a procedure, and make an archived procedure active again.

    If the content equals the current revision's, no new revision is made; if the tags are equal too, the procedure
    stays as it is.

    Args:
        key: The procedure's key.
        submission: The new content.
        actor: Who publishes it.
        now: The present instant.
        expected: The versions of which one must be current; None for any.
        has_precondition: Whether the client said what it expects, be it any version.
        identity: What tells the request from others, so that repeating it does nothing twice.

    Raises:
        PROCEDURE_NOT_FOUND: no procedure with this key has been published.
        IDEMPOTENCY_KEY_REUSED: the Idempotency-Key belongs to another request.
        FORBIDDEN: the actor lacks the right.
        PRECONDITION_REQUIRED: the request has no If-Match.
        VersionMismatch: the current version is not among `expected`.
        VALIDATION_FAILED: the definition breaks rules, or names a role that is not a group.
    """
    procedure = Procedure.objects.lock_published(key)
    if replay := _replay(actor, identity):
        return replay
    require(actor, Right.CHANGE_PROCEDURES)
    _require_precondition(has_precondition)
    _check_expected(procedure, expected)
    _revise(procedure, submission.definition(key), actor, now)
    return _keep_receipt(_outcome(procedure), actor, identity)


@transaction.atomic
def archive_procedure(
    *,
    key: str,
    actor: User,
    now: datetime,
    expected: ExpectedVersions | None = None,
    has_precondition: bool = True,
    reason: str = "",
) -> Outcome:
    """Hide the procedure from the list and refuse new runs; repeating it changes nothing.

    The reason, if there is one, is kept in the procedure's history.

    Raises:
        PROCEDURE_NOT_FOUND: no procedure with this key has been published.
        FORBIDDEN: the actor lacks the right.
        PRECONDITION_REQUIRED: the request has no If-Match.
        VersionMismatch: it is not archived yet, and the current version is not among `expected`.
    """
    procedure = Procedure.objects.lock_published(key)
    require(actor, Right.ARCHIVE_PROCEDURES)
    _require_precondition(has_precondition)
    # An archived procedure, perhaps archived by this very request, is what the client wants (RFC 9110 §13.1.1).
    if procedure.status != ProcedureStatus.ARCHIVED:
        _check_expected(procedure, expected)
        procedure.status = ProcedureStatus.ARCHIVED
        touch(procedure, now)
        history.record(procedure, actor=actor, what=f"Archived. {reason}".rstrip())
    return _outcome(procedure)


@transaction.atomic
def reactivate_procedure(*, key: str, actor: User, now: datetime, reason: str) -> Procedure:
    """Show an archived procedure in the list again, and let new runs start; an active one stays as it is.

    Publishing a revision does this too, so it takes the same right.

    Raises:
        PROCEDURE_NOT_FOUND: no procedure with this key has been published.
        FORBIDDEN: the actor lacks the right.
    """
    procedure = Procedure.objects.lock_published(key)
    require(actor, Right.CHANGE_PROCEDURES)
    if procedure.status == ProcedureStatus.ARCHIVED:
        reactivate(procedure, actor, reason)
        touch(procedure, now)
    return procedure


@transaction.atomic
def import_procedure(*, definition: Definition, now: datetime) -> Procedure:
    """Publish `definition`, as a new procedure or as the next revision of the one with its key.

    For the command line: there is no actor, so no right is checked and no author recorded.

    Raises:
        PROCEDURE_KEY_TAKEN: the key belongs to an unpublished draft.
        VALIDATION_FAILED: a step's role is not a group.
    """
    if not Procedure.objects.published().filter(key=definition.key).exists():
        return _create(definition, None, now)
    procedure = Procedure.objects.lock_published(definition.key)
    _revise(procedure, definition, None, now)
    return procedure


def _replay(actor: User, identity: RequestIdentity) -> Outcome | None:
    """Return the earlier outcome if this request was carried out before: the procedure as it was right after.

    Raises:
        IDEMPOTENCY_KEY_REUSED: the Idempotency-Key belongs to another request.
    """
    if identity.key is None:
        return None
    receipts = Receipt.objects.select_related("revision__procedure").prefetch_related("revision__steps")
    receipt = receipts.filter(author=actor, idempotency_key=identity.key).first()
    if receipt is None:
        return None
    check_same_request(identity, receipt.request_sha256)
    procedure = receipt.revision.procedure
    procedure.current = receipt.revision
    procedure.status = ProcedureStatus.ACTIVE
    procedure.tags = receipt.tags
    procedure.updated_at = receipt.updated_at
    body = exact_json.dumps(represent(procedure)) if receipt.body is None else bytes(receipt.body)
    return Outcome(procedure, Answer(body, receipt.entity_tag, is_replayed=True))


def _require_precondition(has_precondition: bool) -> None:
    """Refuse a change that could silently undo somebody else's (RFC 6585 §3)."""
    if not has_precondition:
        raise PRECONDITION_REQUIRED("Send the ETag of the version that your change is based on, or * for any version.")


def _check_expected(procedure: Procedure, expected: ExpectedVersions | None) -> None:
    if expected is not None:
        expected.check(committed_version(procedure_resource(procedure.key)))


def _keep_receipt(outcome: Outcome, actor: User, identity: RequestIdentity) -> Outcome:
    """Keep the answer if the request has a key, and return the outcome."""
    if identity.key is None:
        return outcome
    procedure = outcome.procedure
    receipt = Receipt(
        author=actor,
        idempotency_key=identity.key,
        request_sha256=identity.fingerprint,
        revision=procedure.current,
        tags=procedure.tags,
        updated_at=procedure.updated_at,
        body=outcome.answer.body,
        entity_tag=outcome.answer.entity_tag,
    )
    try:
        with transaction.atomic():
            receipt.save(force_insert=True)
    except IntegrityError:
        # A concurrent write used the key for another procedure; a repetition of this would have waited for the lock.
        raise IDEMPOTENCY_KEY_REUSED from None
    return outcome


def _outcome(procedure: Procedure) -> Outcome:
    """Return the outcome: the procedure as written, with its steps."""
    prefetch_related_objects([procedure], "current__steps")
    entity_tag = etag(settled_version(procedure_resource(procedure.key)), FINGERPRINT)
    return Outcome(procedure, Answer(exact_json.dumps(represent(procedure)), entity_tag))


def _create(definition: Definition, actor: User | None, now: datetime) -> Procedure:
    check_roles(definition)
    procedure = Procedure(key=definition.key, tags=definition.tags, created_at=now, updated_at=now)
    try:
        with transaction.atomic():
            procedure.save(force_insert=True)
    except IntegrityError:
        is_published = Procedure.objects.published().filter(key=definition.key).exists()
        way_out = "To publish a new revision, use PUT; it also reactivates an archived procedure."
        raise PROCEDURE_KEY_TAKEN(way_out if is_published else "A draft has it: publish that in the admin.") from None
    publish(procedure, definition, actor, now)
    return procedure


def _revise(procedure: Procedure, definition: Definition, actor: User | None, now: datetime) -> None:
    """Give a locked procedure the content and tags of `definition`, and make it active."""
    check_roles(definition)
    is_new = procedure.current_revision.content_sha256 != definition.content_sha256
    is_changed = procedure.tags != definition.tags or procedure.status != ProcedureStatus.ACTIVE
    retag(procedure, definition.tags, actor)
    reactivate(procedure, actor)
    if is_new:
        publish(procedure, definition, actor, now)
    elif is_changed:
        touch(procedure, now)
