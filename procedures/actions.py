"""Every write to procedures: create, publish, archive, and the drafts of the admin.

Each action is one transaction. A revision is numbered under the lock on its procedure's row. What an answer
needs is read before COMMIT: whatever fails after it must not be told as if nothing had been changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.db.models import prefetch_related_objects

from access.rights import Right, require
from procedures.definitions import STEP_MEMBERS, Definition
from procedures.models import Procedure, ProcedureStatus, Receipt, Revision, Step, step_members
from procedures.problems import PROCEDURE_KEY_TAKEN
from rest.findings import Finding, pointer
from rest.idempotency import UNKEYED, RequestIdentity, check_same_request
from rest.problems import IDEMPOTENCY_KEY_REUSED, validation_failed
from versioned_cache.keys import procedure_resource
from versioned_cache.versions import committed_version, settled_version


class ProcedureChanged(Exception):
    """The procedure is not at the version that the change is based on; `version` is the current one."""

    def __init__(self, version: int | None) -> None:
        super().__init__(f"at {version}")
        self.version = version


class DraftOutdated(Exception):
    """Somebody published another revision since the draft was begun."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write made.

    Attributes:
        procedure: The procedure right after it.
        version: The version of its representation; None where an earlier answer is repeated.
        is_replayed: Whether the request had been carried out before.
    """

    procedure: Procedure
    version: int | None
    is_replayed: bool = False


@transaction.atomic
def create_procedure(
    *, definition: Definition, author: User | None, now: datetime, identity: RequestIdentity = UNKEYED
) -> Written:
    """Create a procedure and publish its revision 1.

    Raises:
        IDEMPOTENCY_KEY_REUSED: the key belongs to another request.
        FORBIDDEN: the author may not.
        PROCEDURE_KEY_TAKEN: the procedure's key is in use.
        VALIDATION_FAILED: a step's role is no group.
    """
    if replay := replay_for(author, identity):
        return replay
    if author is not None:
        require(author, Right.CREATE_PROCEDURES)
    check_roles(definition.steps)
    procedure = Procedure(key=definition.key, tags=definition.tags, created_at=now, updated_at=now)
    try:
        with transaction.atomic():
            procedure.save(force_insert=True)
    except IntegrityError:
        # A twin of this very request may have been quicker.
        if replay := replay_for(author, identity):
            return replay
        raise PROCEDURE_KEY_TAKEN("It may be archived; PUT publishes a new revision of it.") from None
    _publish(procedure, definition, author, now)
    return _written(procedure, author, identity)


@transaction.atomic
def publish_revision(
    *,
    definition: Definition,
    author: User | None,
    now: datetime,
    expected: frozenset[int] | None = None,
    identity: RequestIdentity = UNKEYED,
) -> Written:
    """Publish `definition` as the procedure's next revision, and make an archived procedure active again.

    Content equal to the current revision's makes no new revision, and where the tags are equal too,
    the procedure is left as it is.

    Raises:
        PROCEDURE_NOT_FOUND: no such procedure has been published.
        IDEMPOTENCY_KEY_REUSED: the key belongs to another request.
        FORBIDDEN: the author may not.
        ProcedureChanged: the current version is none of `expected`.
        VALIDATION_FAILED: a step's role is no group.
    """
    procedure = Procedure.objects.lock_published(definition.key)
    if replay := replay_for(author, identity):
        return replay
    check_may_change(procedure, author, expected)
    check_roles(definition.steps)
    is_new = procedure.current_revision.content_sha256 != definition.content_sha256
    is_changed = procedure.tags != definition.tags or procedure.status != ProcedureStatus.ACTIVE
    procedure.tags = definition.tags
    procedure.status = ProcedureStatus.ACTIVE
    if is_new:
        _publish(procedure, definition, author, now)
    elif is_changed:
        _touch(procedure, now)
    return _written(procedure, author, identity)


@transaction.atomic
def import_procedure(*, definition: Definition, author: User | None, now: datetime) -> Procedure:
    """Publish `definition`, as a new procedure or as the next revision of the one with its key.

    Raises:
        FORBIDDEN: the author may not.
        PROCEDURE_KEY_TAKEN: the key belongs to a draft that was never published.
        VALIDATION_FAILED: a step's role is no group.
    """
    exists = Procedure.objects.published().filter(key=definition.key).exists()
    publish = publish_revision if exists else create_procedure
    return publish(definition=definition, author=author, now=now).procedure


@transaction.atomic
def archive_procedure(
    *, key: str, archivist: User | None, now: datetime, expected: frozenset[int] | None = None
) -> Written:
    """Hide the procedure from the list and refuse new runs; repeating it changes nothing.

    Raises:
        PROCEDURE_NOT_FOUND: no such procedure has been published.
        FORBIDDEN: the archivist may not.
        ProcedureChanged: it is not archived yet, and the current version is none of `expected`.
    """
    procedure = Procedure.objects.lock_published(key)
    if archivist is not None:
        require(archivist, Right.ARCHIVE_PROCEDURES)
    # What is wanted is so already, perhaps by this very request (RFC 9110 §13.1.1).
    if procedure.status == ProcedureStatus.ARCHIVED:
        return _written(procedure)
    _check_expected(procedure, expected)
    procedure.status = ProcedureStatus.ARCHIVED
    _touch(procedure, now)
    return _written(procedure)


@transaction.atomic
def open_draft(*, procedure: Procedure, author: User, now: datetime) -> Revision:
    """Return the procedure's draft, begun as a copy of its current revision where there is none."""
    procedure = Procedure.objects.select_for_update().get(pk=procedure.pk)
    draft = procedure.revisions.filter(number=None).first()
    if draft is not None:
        return draft
    current = procedure.current
    draft = Revision(procedure=procedure, based_on=current, created_by=author, created_at=now)
    if current is None:
        draft.title = procedure.key.replace("-", " ").capitalize()
        draft.save()
        return draft
    draft.title, draft.description, draft.ordering = current.title, current.description, current.ordering
    draft.save()
    _write_steps(draft, [step_members(step) for step in current.steps.all()])
    return draft


@transaction.atomic
def publish_draft(*, draft: Revision, definition: Definition, publisher: User, now: datetime) -> Revision:
    """Publish the draft, whose content is `definition`, under the next number.

    Raises:
        FORBIDDEN: the publisher may not.
        DraftOutdated: another revision was published since the draft was begun.
        VALIDATION_FAILED: a step's role is no group.
    """
    require(publisher, Right.CHANGE_PROCEDURES)
    procedure = Procedure.objects.select_for_update().get(pk=draft.procedure_id)
    check_roles(definition.steps)
    if draft.based_on_id != procedure.current_id:
        raise DraftOutdated
    _number(draft, procedure, definition, now)
    return draft


def check_may_change(procedure: Procedure, actor: User | None, expected: frozenset[int] | None) -> None:
    """Raise unless `actor` has the right (the command line needs none) and the procedure is at an expected version.

    Raises:
        FORBIDDEN, ProcedureChanged: it is not so.
    """
    if actor is not None:
        require(actor, Right.CHANGE_PROCEDURES)
    _check_expected(procedure, expected)


def check_roles(steps: Sequence[Mapping[str, Any]]) -> None:
    """Raise `VALIDATION_FAILED` unless every step's role is the name of a group."""
    known = set(Group.objects.values_list("name", flat=True))
    findings = [
        Finding(pointer("steps", index, "role"), "unknown_role", f"There is no group named {step['role']!r}.")
        for index, step in enumerate(steps)
        if step["role"] is not None and step["role"] not in known
    ]
    if findings:
        raise validation_failed(findings)


def replay_for(author: User | None, identity: RequestIdentity) -> Written | None:
    """Return the answer to this request if it was carried out before: the procedure as it was right after.

    Raises:
        IDEMPOTENCY_KEY_REUSED: the key belongs to another request.
    """
    if author is None or identity.key is None:
        return None
    receipts = Receipt.objects.select_related("revision__procedure").prefetch_related("revision__steps")
    receipt = receipts.filter(author=author, idempotency_key=identity.key).first()
    if receipt is None:
        return None
    check_same_request(identity, receipt.request_sha256)
    procedure = receipt.revision.procedure
    procedure.current = receipt.revision
    procedure.status = ProcedureStatus.ACTIVE
    procedure.tags = receipt.tags
    procedure.updated_at = receipt.updated_at
    return Written(procedure, version=None, is_replayed=True)


def _check_expected(procedure: Procedure, expected: frozenset[int] | None) -> None:
    if expected is not None:
        version = committed_version(procedure_resource(procedure.key))
        if version not in expected:
            raise ProcedureChanged(version)


def _written(procedure: Procedure, author: User | None = None, identity: RequestIdentity = UNKEYED) -> Written:
    """Return what was written, with the steps, and keep a receipt of it."""
    _keep_receipt(procedure, author, identity)
    prefetch_related_objects([procedure], "current__steps")
    return Written(procedure, settled_version(procedure_resource(procedure.key)))


def _keep_receipt(procedure: Procedure, author: User | None, identity: RequestIdentity) -> None:
    if author is None or identity.key is None:
        return
    receipt = Receipt(
        author=author,
        idempotency_key=identity.key,
        request_sha256=identity.fingerprint,
        revision=procedure.current,
        tags=procedure.tags,
        updated_at=procedure.updated_at,
    )
    try:
        with transaction.atomic():
            receipt.save(force_insert=True)
    except IntegrityError:
        # A moment ago the key was used for another procedure; a twin of this request would have waited for this one.
        raise IDEMPOTENCY_KEY_REUSED from None


def _publish(procedure: Procedure, definition: Definition, author: User | None, now: datetime) -> None:
    revision = Revision(
        procedure=procedure,
        based_on=procedure.current,
        title=definition.title,
        description=definition.description,
        ordering=definition.ordering,
        change_note=definition.change_note,
        created_by=author,
        created_at=now,
    )
    _number(revision, procedure, definition, now)
    _write_steps(revision, definition.steps)


def _number(revision: Revision, procedure: Procedure, definition: Definition, now: datetime) -> None:
    """Give the revision the next number and make it current; the procedure is locked or new."""
    revision.number = 1 if procedure.current is None else (procedure.current.number or 0) + 1
    revision.content_sha256 = definition.content_sha256
    revision.step_count = len(definition.steps)
    revision.published_at = now
    revision.save()
    procedure.current = revision
    _touch(procedure, now)


def _touch(procedure: Procedure, now: datetime) -> None:
    procedure.updated_at = now
    procedure.save()


def _write_steps(revision: Revision, steps: Sequence[Mapping[str, Any]]) -> None:
    Step.objects.bulk_create(
        Step(revision=revision, position=position, **{name: step[name] for name in STEP_MEMBERS})
        for position, step in enumerate(steps, start=1)
    )
