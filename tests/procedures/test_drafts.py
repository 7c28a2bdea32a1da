"""Writing drafts: one test for each way an action ends."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User

from procedures import drafts
from procedures.drafts import DraftGone, DraftOutdated, DraftUnchanged
from procedures.models import Procedure, ProcedureStatus, Revision, Step
from procedures.submissions import submission_of
from rest import timestamps
from rest.problems import FORBIDDEN, VALIDATION_FAILED
from tests import factories
from tests.factories import body, publish, slot, step

pytestmark = pytest.mark.django_db

NOW = timestamps.to_milliseconds(datetime.now(UTC))
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def mkoch() -> User:
    return User.objects.create_superuser("mkoch")


def drafted(procedure: Procedure, mkoch: User, **changes: Any) -> Revision:
    draft = drafts.open_draft(procedure=procedure, actor=mkoch, now=NOW)
    for name, value in changes.items():
        setattr(draft, name, value)
    draft.save()
    return draft


def publish_draft(draft: Revision, actor: User) -> Revision:
    return drafts.publish_draft(draft=draft, actor=actor, now=LATER).revision


def test_open_draft_copies_the_current_revision(mkoch: User) -> None:
    steps = [step("a", slots=[slot("x", "integer", min=1)], caution="Hot."), step("b", skippable=True)]
    procedure = publish(body(steps=steps, description="About.", ordering="any"))

    draft = drafts.open_draft(procedure=procedure, actor=mkoch, now=LATER)

    assert (draft.number, draft.based_on, draft.created_by) == (None, procedure.current, mkoch)
    assert submission_of(draft).definition().content_sha256 == procedure.current_revision.content_sha256
    assert draft.change_note == ""


def test_open_draft_of_a_new_procedure_is_empty_except_for_a_title(mkoch: User) -> None:
    procedure = Procedure.objects.create(key="gibson-assembly", created_at=NOW, updated_at=NOW)

    draft = drafts.open_draft(procedure=procedure, actor=mkoch, now=NOW)

    assert (draft.title, draft.based_on, draft.steps.count()) == ("Gibson assembly", None, 0)


def test_open_draft_returns_an_existing_draft(mkoch: User) -> None:
    procedure = publish(body())
    draft = drafted(procedure, mkoch, title="Changed")

    again = drafts.open_draft(procedure=procedure, actor=User.objects.create_user("other"), now=LATER)

    assert (again, again.title, again.created_by) == (draft, "Changed", mkoch)


def test_publish_draft_numbers_it_and_makes_it_current(mkoch: User) -> None:
    procedure = publish(body())
    draft = drafted(procedure, mkoch, title="Second")

    published = publish_draft(draft, mkoch)

    procedure.refresh_from_db()
    assert (procedure.current, procedure.updated_at) == (draft, LATER)
    assert (published.number, published.published_at, published.title) == (2, LATER, "Second")
    assert published.content_sha256 == submission_of(draft).definition().content_sha256


def test_publish_draft_of_a_new_procedure_is_revision_1(mkoch: User) -> None:
    procedure = Procedure.objects.create(key="gibson", created_at=NOW, updated_at=NOW)
    draft = drafted(procedure, mkoch)
    Step.objects.create(revision=draft, key="a", position=10, title="A")

    published = publish_draft(draft, mkoch)

    assert published.number == 1


def test_publish_draft_refuses_one_whose_base_is_no_longer_current(mkoch: User) -> None:
    procedure = publish(body())
    draft = drafted(procedure, mkoch)
    publish(body(title="Meanwhile"))

    with pytest.raises(DraftOutdated):
        publish_draft(draft, mkoch)

    draft.refresh_from_db()
    procedure.refresh_from_db()
    assert draft.is_draft
    assert procedure.current_revision.title == "Meanwhile"


def test_publish_draft_refuses_a_role_that_is_not_a_group(mkoch: User) -> None:
    draft = drafted(publish(body()), mkoch)
    draft.steps.update(role="nobody")

    with pytest.raises(VALIDATION_FAILED):
        publish_draft(draft, mkoch)

    draft.refresh_from_db()
    assert draft.is_draft


def test_publish_draft_needs_the_right(mkoch: User) -> None:
    draft = drafted(publish(body()), mkoch)

    with pytest.raises(FORBIDDEN):
        publish_draft(draft, User.objects.create_user("visitor"))

    draft.refresh_from_db()
    assert draft.is_draft


def test_a_draft_that_breaks_a_rule_is_not_a_definition(mkoch: User) -> None:
    draft = drafted(publish(body()), mkoch, title="")
    draft.steps.all().delete()

    with pytest.raises(VALIDATION_FAILED) as refusal:
        submission_of(draft).definition()

    assert {(error["pointer"], error["code"]) for error in refusal.value.extensions["errors"]} == {
        ("/title", "blank"),
        ("/steps", "min_length"),
    }


def test_publish_draft_of_an_archived_procedure_makes_it_active_again(mkoch: User) -> None:
    procedure = publish(body())
    draft = drafted(procedure, mkoch, title="Second")
    factories.archive(now=NOW)

    publication = drafts.publish_draft(draft=draft, actor=mkoch, now=LATER)

    procedure.refresh_from_db()
    assert (publication.is_new, publication.is_active_again) == (True, True)
    assert (procedure.status, procedure.current) == (ProcedureStatus.ACTIVE, draft)


def test_publish_draft_refuses_one_that_would_change_nothing(mkoch: User) -> None:
    draft = drafted(publish(body()), mkoch)

    with pytest.raises(DraftUnchanged):
        publish_draft(draft, mkoch)

    draft.refresh_from_db()
    assert draft.is_draft


def test_publish_draft_without_a_change_only_makes_an_archived_procedure_active_again(mkoch: User) -> None:
    procedure = publish(body())
    draft = drafted(procedure, mkoch)
    factories.archive(now=NOW)

    publication = drafts.publish_draft(draft=draft, actor=mkoch, now=LATER)

    procedure.refresh_from_db()
    assert (publication.revision, publication.is_new, publication.is_active_again) == (procedure.current, False, True)
    assert (procedure.status, procedure.current_revision.number) == (ProcedureStatus.ACTIVE, 1)
    assert not Revision.objects.filter(number=None).exists()


@pytest.mark.parametrize("end", [publish_draft, lambda draft, actor: drafts.discard_draft(draft=draft, actor=actor)])
def test_a_draft_ends_once(mkoch: User, end: Callable[[Revision, User], object]) -> None:
    draft = drafted(publish(body()), mkoch, title="Second")
    end(draft, mkoch)

    for again in (publish_draft, lambda draft, actor: drafts.discard_draft(draft=draft, actor=actor)):
        with pytest.raises(DraftGone):
            again(Revision(pk=draft.pk or 1, procedure=draft.procedure), mkoch)


def test_publish_draft_publishes_what_is_saved_and_not_what_it_was_given(mkoch: User) -> None:
    draft = drafted(publish(body()), mkoch, title="Second")
    Revision.objects.filter(pk=draft.pk).update(title="Third")

    assert publish_draft(draft, mkoch).title == "Third"


def test_the_history_of_a_procedure_tells_its_drafts(mkoch: User) -> None:
    procedure = publish(body())
    drafts.discard_draft(draft=drafted(procedure, mkoch), actor=mkoch)
    publish_draft(drafted(procedure, mkoch, title="Second", change_note="Better."), mkoch)

    told = LogEntry.objects.filter(object_id=str(procedure.pk), content_type__model="procedure", user=mkoch)
    assert [entry.get_change_message() for entry in told.order_by("pk")] == [
        "Started a draft from revision 1.",
        "Discarded the draft “Gibson”.",
        "Started a draft from revision 1.",
        "Published revision 2. Better.",
    ]
