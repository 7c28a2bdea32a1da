"""How a revision is published: it gets the next number and becomes the current one.

The caller holds the lock on the procedure's row, or has just made the row.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, User

from access import history
from procedures.definitions import STEP_MEMBERS, Definition
from procedures.models import Procedure, ProcedureStatus, Revision, Step
from rest.findings import Finding, pointer
from rest.problems import validation_failed


def check_roles(definition: Definition) -> None:
    """Raise `VALIDATION_FAILED` unless every step's role is the name of a group."""
    known = set(Group.objects.values_list("name", flat=True))
    findings = [
        Finding(pointer("steps", index, "role"), "unknown_role", f"There is no group named {step['role']!r}.")
        for index, step in enumerate(definition.steps)
        if step["role"] is not None and step["role"] not in known
    ]
    if findings:
        raise validation_failed(findings)


def publish(procedure: Procedure, definition: Definition, actor: User | None, now: datetime) -> None:
    """Publish `definition` as the next revision."""
    revision = Revision(
        procedure=procedure,
        based_on=procedure.current,
        title=definition.title,
        description=definition.description,
        ordering=definition.ordering,
        change_note=definition.change_note,
        created_by=actor,
        created_at=now,
    )
    number(revision, procedure, definition, actor, now)
    write_steps(revision, definition.steps)


def number(revision: Revision, procedure: Procedure, definition: Definition, actor: User | None, now: datetime) -> None:
    """Give the revision, which has the content of `definition`, the next number, and make it current."""
    revision.number = 1 if procedure.current is None else (procedure.current.number or 0) + 1
    revision.content_sha256 = definition.content_sha256
    revision.step_count = len(definition.steps)
    revision.published_at = now
    revision.save()
    procedure.current = revision
    touch(procedure, now)
    what = f"Published revision {revision.number}."
    history.record(
        procedure, revision, actor=actor, what=f"{what} {definition.change_note}" if definition.change_note else what
    )


def reactivate(procedure: Procedure, actor: User | None, reason: str = "") -> None:
    """Make an archived procedure active, without saving it; an active one stays as it is."""
    if procedure.status == ProcedureStatus.ARCHIVED:
        procedure.status = ProcedureStatus.ACTIVE
        history.record(procedure, actor=actor, what=f"Made active again. {reason}".rstrip())


def retag(procedure: Procedure, tags: list[str], actor: User | None) -> None:
    """Give the procedure these tags, without saving it."""
    if procedure.tags != tags:
        old, new = (", ".join(names) or "none" for names in (procedure.tags, tags))
        procedure.tags = tags
        history.record(procedure, actor=actor, what=f"Changed the tags from {old} to {new}.")


def touch(procedure: Procedure, now: datetime) -> None:
    """Save the procedure as changed `now`."""
    procedure.updated_at = now
    procedure.save()


def write_steps(revision: Revision, steps: Sequence[Mapping[str, Any]]) -> None:
    """Give a revision that has no steps yet these, in this order."""
    Step.objects.bulk_create(
        Step(revision=revision, position=position, **{name: step[name] for name in STEP_MEMBERS})
        for position, step in enumerate(steps, start=1)
    )
