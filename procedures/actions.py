"""Every write to procedures: create, publish, archive, and the drafts of the admin.

Each action is one transaction. A revision is numbered under the lock on its procedure's row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from access.rights import Right, require
from procedures.definitions import STEP_MEMBERS, Definition
from procedures.models import Procedure, ProcedureStatus, Revision, Step, step_members
from procedures.versioned_cache.keys import procedure_resource
from procedures.versioned_cache.versions import committed_version, settled_version
from rest.findings import Finding, pointer
from rest.idempotency import UNKEYED, RequestIdentity, check_same_request


class ProcedureKeyTaken(Exception):
    """Another procedure, perhaps an archived one or a draft, has this key."""


class ProcedureChanged(Exception):
    """The procedure is not at the version that the change is based on; `version` is the current one."""

    def __init__(self, version: int | None) -> None:
        super().__init__(f"at {version}")
        self.version = version


class DraftOutdated(Exception):
    """Somebody published another revision since the draft was begun."""


class InvalidDefinition(Exception):
    """The definition names things that do not exist; `findings` says which."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__(f"{len(findings)} problems")
        self.findings = findings


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
        NotAllowed: the author may not.
        IdempotencyKeyReused: the key belongs to another request.
        ProcedureKeyTaken: the procedure's key is in use.
        InvalidDefinition: a step's role is no group.
    """
    if author is not None:
        require(author, Right.CREATE_PROCEDURES)
    if replay := _replay(author, identity):
        return replay
    check_roles(definition.steps)
    procedure = Procedure(key=definition.key, tags=definition.tags, created_at=now, updated_at=now)
    try:
        with transaction.atomic():
            procedure.save(force_insert=True)
    except IntegrityError:
        # A twin of this very request may have been quicker.
        if replay := _replay(author, identity):
            return replay
        raise ProcedureKeyTaken from None
    _publish(procedure, definition, author, now, identity)
    return _written(procedure)


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
    nothing is written at all.

    Raises:
        ProcedureNotFound: no such procedure has been published.
        IdempotencyKeyReused: the key belongs to another request.
        NotAllowed: the author may not.
        ProcedureChanged: the current version is none of `expected`.
        InvalidDefinition: a step's role is no group.
    """
    procedure = Procedure.objects.lock_published(definition.key)
    if replay := _replay(author, identity):
        return replay
    check_may_change(procedure, author, expected)
    check_roles(definition.steps)
    is_new = procedure.current_revision.content_sha256 != definition.content_sha256
    is_changed = procedure.tags != definition.tags or procedure.status != ProcedureStatus.ACTIVE
    procedure.tags = definition.tags
    procedure.status = ProcedureStatus.ACTIVE
    if is_new:
        _publish(procedure, definition, author, now, identity)
    elif is_changed:
        _touch(procedure, now)
    return _written(procedure)


@transaction.atomic
def import_procedure(*, definition: Definition, author: User | None, now: datetime) -> Procedure:
    """Publish `definition`, as a new procedure or as the next revision of the one with its key.

    Raises:
        NotAllowed: the author may not.
        ProcedureKeyTaken: the key belongs to a draft that was never published.
        InvalidDefinition: a step's role is no group.
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
        ProcedureNotFound: no such procedure has been published.
        NotAllowed: the archivist may not.
        ProcedureChanged: the current version is none of `expected`.
    """
    procedure = Procedure.objects.lock_published(key)
    check_may_change(procedure, archivist, expected, Right.ARCHIVE_PROCEDURES)
    if procedure.status != ProcedureStatus.ARCHIVED:
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
def publish_draft(*, draft: Revision, definition: Definition, now: datetime) -> Revision:
    """Publish the draft, whose content is `definition`, under the next number.

    Raises:
        DraftOutdated: another revision was published since the draft was begun.
        InvalidDefinition: a step's role is no group.
    """
    procedure = Procedure.objects.select_for_update().get(pk=draft.procedure_id)
    check_roles(definition.steps)
    if draft.based_on_id != procedure.current_id:
        raise DraftOutdated
    _number(draft, procedure, definition, now)
    return draft


def check_may_change(
    procedure: Procedure,
    actor: User | None,
    expected: frozenset[int] | None,
    right: Right = Right.CHANGE_PROCEDURES,
) -> None:
    """Raise unless `actor` has the right (the command line needs none) and the procedure is at an expected version.

    Raises:
        NotAllowed, ProcedureChanged: it is not so.
    """
    if actor is not None:
        require(actor, right)
    if expected is not None:
        version = committed_version(procedure_resource(procedure.key))
        if version not in expected:
            raise ProcedureChanged(version)


def check_roles(steps: Sequence[Mapping[str, Any]]) -> None:
    """Raise `InvalidDefinition` unless every step's role is the name of a group."""
    known = set(Group.objects.values_list("name", flat=True))
    findings = [
        Finding(pointer("steps", index, "role"), "unknown_role", f"There is no group named {step['role']!r}.")
        for index, step in enumerate(steps)
        if step["role"] is not None and step["role"] not in known
    ]
    if findings:
        raise InvalidDefinition(findings)


def _replay(author: User | None, identity: RequestIdentity) -> Written | None:
    """Return the answer to this request if it was carried out before: the procedure as it was right after."""
    if author is None or identity.key is None:
        return None
    revision = (
        Revision.objects.select_related("procedure")
        .filter(created_by=author, idempotency_key=identity.key, number__isnull=False)
        .first()
    )
    if revision is None:
        return None
    check_same_request(identity, revision.request_sha256)
    procedure = revision.procedure
    procedure.current = revision
    procedure.tags = revision.tags
    procedure.status = ProcedureStatus.ACTIVE
    procedure.updated_at = revision.published_at or procedure.updated_at
    return Written(procedure, version=None, is_replayed=True)


def _written(procedure: Procedure) -> Written:
    return Written(procedure, settled_version(procedure_resource(procedure.key)))


def _publish(
    procedure: Procedure, definition: Definition, author: User | None, now: datetime, identity: RequestIdentity
) -> None:
    revision = Revision(
        procedure=procedure,
        based_on=procedure.current,
        title=definition.title,
        description=definition.description,
        ordering=definition.ordering,
        change_note=definition.change_note,
        created_by=author,
        created_at=now,
        idempotency_key=identity.key,
        request_sha256=identity.fingerprint,
    )
    _number(revision, procedure, definition, now)
    _write_steps(revision, definition.steps)


def _number(revision: Revision, procedure: Procedure, definition: Definition, now: datetime) -> None:
    """Give the revision the next number and make it current; the procedure is locked or new."""
    revision.number = 1 if procedure.current is None else (procedure.current.number or 0) + 1
    revision.content_sha256 = definition.content_sha256
    revision.step_count = len(definition.steps)
    revision.tags = procedure.tags
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
