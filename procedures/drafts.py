"""The drafts of procedures, which people write in the admin: open, publish, discard.

Each is one transaction under the lock on the procedure's row, so that two people who write one draft take turns.
"""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from access import history
from access.rights import Right, require
from procedures.models import Procedure, ProcedureStatus, Revision, step_members
from procedures.publishing import check_roles, number, reactivate, touch, write_steps
from procedures.submissions import submission_of
from rest.problems import VALIDATION_FAILED


class DraftGone(Exception):
    """There is no such draft: it has been published or discarded, or never was."""


class DraftOutdated(Exception):
    """Another revision has been published since the draft was started."""


class DraftUnchanged(Exception):
    """The draft has the content of the current revision, and the procedure is active: there is nothing to publish."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing a draft led to.

    Attributes:
        revision: The current revision now.
        is_new: Whether the draft became a revision; if not, it had the current one's content and is gone.
        is_active_again: Whether the procedure was archived before.
    """

    revision: Revision
    is_new: bool
    is_active_again: bool


@transaction.atomic
def open_draft(*, procedure: Procedure, actor: User, now: datetime) -> Revision:
    """Return the procedure's draft; if it has none, start one as a copy of the current revision."""
    procedure = Procedure.objects.select_for_update().get(pk=procedure.pk)
    draft = procedure.revisions.filter(number=None).first()
    if draft is not None:
        return draft
    current = procedure.current
    draft = Revision(procedure=procedure, based_on=current, created_by=actor, created_at=now)
    if current is None:
        draft.title = procedure.key.replace("-", " ").capitalize()
        draft.save()
        history.record(procedure, draft, actor=actor, what="Started a draft.")
        return draft
    draft.title, draft.description, draft.ordering = current.title, current.description, current.ordering
    draft.save()
    write_steps(draft, [step_members(step) for step in current.steps.all()])
    history.record(procedure, draft, actor=actor, what=f"Started a draft from revision {current.number}.")
    return draft


def lock_draft(pk: int) -> Revision:
    """Lock the draft's procedure until the transaction ends, and return the draft as it then is.

    Raises:
        DraftGone: it has been published or discarded.
    """
    procedure_ids = Revision.objects.filter(pk=pk).values_list("procedure", flat=True)
    Procedure.objects.select_for_update().filter(pk__in=list(procedure_ids)).first()
    draft = Revision.objects.select_related("procedure__current").filter(pk=pk, number=None).first()
    if draft is None:
        raise DraftGone
    return draft


def findings_about(draft: Revision) -> list[dict[str, str]]:
    """Return what publishing would find wrong with the draft, as a refused request would be told."""
    try:
        check_roles(submission_of(draft).definition())
    except VALIDATION_FAILED as refusal:
        return list(refusal.extensions["errors"])
    return []


@transaction.atomic
def publish_draft(*, draft: Revision, actor: User, now: datetime) -> Publication:
    """Publish the draft under the next number, and make an archived procedure active again, as PUT does.

    A draft with the content of the current revision makes no new one: it is discarded.

    Raises:
        FORBIDDEN: the actor lacks the right.
        VALIDATION_FAILED: the draft breaks rules, or a step's role is not a group.
        DraftGone: somebody else has published or discarded it.
        DraftOutdated: another revision has been published since the draft was started.
        DraftUnchanged: publishing would change nothing at all.
    """
    require(actor, Right.CHANGE_PROCEDURES)
    draft = lock_draft(draft.pk)
    procedure = draft.procedure
    definition = submission_of(draft).definition()
    check_roles(definition)
    if draft.based_on_id != procedure.current_id:
        raise DraftOutdated
    was_archived = procedure.status == ProcedureStatus.ARCHIVED
    if procedure.current is None or procedure.current.content_sha256 != definition.content_sha256:
        reactivate(procedure, actor)
        number(draft, procedure, definition, actor, now)
        return Publication(draft, is_new=True, is_active_again=was_archived)
    if not was_archived:
        raise DraftUnchanged
    reactivate(procedure, actor)
    touch(procedure, now)
    discard_draft(draft=draft, actor=actor)
    return Publication(procedure.current, is_new=False, is_active_again=True)


@transaction.atomic
def discard_draft(*, draft: Revision, actor: User) -> None:
    """Delete the draft; the procedure's history keeps that there was one.

    Raises:
        DraftGone: somebody else has published or discarded it.
    """
    draft = lock_draft(draft.pk)
    history.record(draft.procedure, actor=actor, what=f"Discarded the draft “{draft.title}”.")
    draft.delete()
