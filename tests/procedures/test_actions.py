"""Writing procedures: one test for each way an action ends."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from procedures import actions
from procedures.definitions import Definition
from procedures.models import Procedure, Revision
from procedures.problems import PROCEDURE_KEY_TAKEN, PROCEDURE_NOT_FOUND
from procedures.submissions import Submission
from rest import timestamps
from rest.problems import FORBIDDEN, VALIDATION_FAILED
from tests import factories
from tests.factories import body, publish, slot, start, step

pytestmark = pytest.mark.django_db

NOW = timestamps.to_milliseconds(datetime.now(UTC))
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def mkoch() -> User:
    return User.objects.create_superuser("mkoch")


def submitted(**members: Any) -> Submission:
    return Submission(body(**members))


def defined(**members: Any) -> Definition:
    return submitted(**members).definition()


def test_create_procedure_publishes_revision_1(mkoch: User) -> None:
    procedure = actions.create_procedure(
        submission=submitted(tags=["lab"], change_note="New."), actor=mkoch, now=NOW
    ).procedure

    procedure.refresh_from_db()
    revision = procedure.current_revision
    assert (procedure.key, procedure.status, procedure.tags) == ("gibson", "active", ["lab"])
    assert (procedure.created_at, procedure.updated_at) == (NOW, NOW)
    assert (revision.number, revision.based_on, revision.created_by) == (1, None, mkoch)
    assert (revision.created_at, revision.published_at, revision.change_note) == (NOW, NOW, "New.")
    assert [(stored.position, stored.key) for stored in revision.steps.all()] == [(1, "measure"), (2, "incubate")]


def test_create_procedure_refuses_a_key_in_use(mkoch: User) -> None:
    publish(body())

    with pytest.raises(PROCEDURE_KEY_TAKEN):
        actions.create_procedure(submission=submitted(title="Another"), actor=mkoch, now=NOW)

    assert Revision.objects.get().title == "Gibson"


def test_create_procedure_refuses_the_key_of_an_archived_procedure(mkoch: User) -> None:
    publish(body())
    factories.archive(now=NOW)

    with pytest.raises(PROCEDURE_KEY_TAKEN):
        actions.create_procedure(submission=submitted(), actor=mkoch, now=NOW)


def test_create_procedure_refuses_the_key_of_a_draft(mkoch: User) -> None:
    Procedure.objects.create(key="gibson", created_at=NOW, updated_at=NOW)

    with pytest.raises(PROCEDURE_KEY_TAKEN):
        actions.create_procedure(submission=submitted(), actor=mkoch, now=NOW)


def test_create_procedure_refuses_roles_that_are_not_groups_and_names_each(mkoch: User) -> None:
    steps = [step("a", role="nobody"), step("b", role="supervisor"), step("c", role="Supervisor")]
    Group.objects.get_or_create(name="supervisor")

    with pytest.raises(VALIDATION_FAILED) as refusal:
        actions.create_procedure(submission=submitted(steps=steps), actor=mkoch, now=NOW)

    assert [tuple(error.values()) for error in refusal.value.extensions["errors"]] == [
        ("/steps/0/role", "unknown_role", "There is no group named 'nobody'."),
        ("/steps/2/role", "unknown_role", "There is no group named 'Supervisor'."),
    ]
    assert not Procedure.objects.exists()


class UncheckedSubmission(Submission):
    """A submission that must not be checked."""

    def definition(self, key: str | None = None) -> Definition:
        pytest.fail("It was checked.")


def test_without_the_right_to_write_a_submission_is_not_even_checked() -> None:
    publish(body())
    visitor = User.objects.create_user("visitor")
    submission = UncheckedSubmission({})

    with pytest.raises(FORBIDDEN):
        actions.create_procedure(submission=submission, actor=visitor, now=NOW)
    with pytest.raises(FORBIDDEN):
        actions.publish_revision(key="gibson", submission=submission, actor=visitor, now=NOW)


def test_publish_revision_numbers_the_next_one_and_keeps_the_old(mkoch: User) -> None:
    first_revision = publish(body(steps=[step("old")])).current_revision

    procedure = actions.publish_revision(
        key="gibson", submission=submitted(steps=[step("new")], change_note="Better."), actor=mkoch, now=LATER
    ).procedure

    revision = procedure.current_revision
    assert (revision.number, revision.based_on, revision.created_by) == (2, first_revision, mkoch)
    assert (revision.published_at, procedure.updated_at) == (LATER, LATER)
    assert [stored.key for stored in revision.steps.all()] == ["new"]
    assert [stored.key for stored in first_revision.steps.all()] == ["old"]


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Other"},
        {"description": "Other"},
        {"ordering": "any"},
        {"steps": [step("incubate"), step("measure")]},
        {"steps": [step("measure", skippable=True), step("incubate")]},
        {"steps": [step("measure", slots=[slot("lot", "text")]), step("incubate")]},
    ],
)
def test_publish_revision_takes_any_change_of_content_for_a_new_one(mkoch: User, change: dict[str, Any]) -> None:
    publish(body())

    procedure = actions.publish_revision(key="gibson", submission=submitted(**change), actor=mkoch, now=LATER).procedure

    assert procedure.current_revision.number == 2


def test_publish_revision_of_identical_content_writes_nothing(mkoch: User) -> None:
    before = publish(body(tags=["lab"]))

    after = actions.publish_revision(
        key="gibson", submission=submitted(tags=["lab"], change_note="None."), actor=mkoch, now=LATER
    ).procedure

    assert Revision.objects.count() == 1
    assert after.updated_at == before.updated_at


def test_publish_revision_with_other_tags_only_changes_the_head(mkoch: User) -> None:
    publish(body(tags=["lab"]))

    procedure = actions.publish_revision(
        key="gibson", submission=submitted(tags=["lab", "dna"]), actor=mkoch, now=LATER
    ).procedure

    procedure.refresh_from_db()
    assert (procedure.tags, procedure.updated_at, procedure.current_revision.number) == (["lab", "dna"], LATER, 1)


def test_publish_revision_makes_an_archived_procedure_active_again(mkoch: User) -> None:
    publish(body())
    factories.archive(now=NOW)

    procedure = actions.publish_revision(key="gibson", submission=submitted(), actor=mkoch, now=LATER).procedure

    procedure.refresh_from_db()
    assert (procedure.status, procedure.updated_at, procedure.current_revision.number) == ("active", LATER, 1)


def test_publish_revision_refuses_a_key_that_was_never_published(mkoch: User) -> None:
    Procedure.objects.create(key="gibson", created_at=NOW, updated_at=NOW)

    with pytest.raises(PROCEDURE_NOT_FOUND):
        actions.publish_revision(key="gibson", submission=submitted(), actor=mkoch, now=NOW)


def test_publish_revision_refuses_a_role_that_is_not_a_group(mkoch: User) -> None:
    publish(body())

    with pytest.raises(VALIDATION_FAILED):
        actions.publish_revision(
            key="gibson", submission=submitted(steps=[step(role="nobody")]), actor=mkoch, now=LATER
        )

    assert Revision.objects.count() == 1


def test_import_procedure_creates_and_then_revises(mkoch: User) -> None:
    actions.import_procedure(definition=defined(title="First"), now=NOW)

    procedure = actions.import_procedure(definition=defined(title="Second"), now=LATER)

    assert (procedure.current_revision.number, procedure.current_revision.created_by) == (2, None)


def test_import_procedure_refuses_the_key_of_a_draft(mkoch: User) -> None:
    Procedure.objects.create(key="gibson", created_at=NOW, updated_at=NOW)

    with pytest.raises(PROCEDURE_KEY_TAKEN):
        actions.import_procedure(definition=defined(), now=NOW)


def test_archive_procedure_changes_the_status() -> None:
    publish(body())

    procedure = factories.archive(now=LATER)

    procedure.refresh_from_db()
    assert (procedure.status, procedure.updated_at) == ("archived", LATER)


def test_archive_procedure_again_changes_nothing() -> None:
    publish(body())
    factories.archive(now=NOW)

    procedure = factories.archive(now=LATER)

    procedure.refresh_from_db()
    assert procedure.updated_at == NOW


def test_archive_procedure_leaves_its_runs_alone(mkoch: User) -> None:
    run = start(mkoch, body())

    factories.archive(now=LATER)

    run.refresh_from_db()
    assert run.status == "in_progress"


def test_archive_procedure_refuses_an_unknown_key() -> None:
    with pytest.raises(PROCEDURE_NOT_FOUND):
        factories.archive("nothing")


def test_the_digest_of_content_leaves_out_key_tags_and_change_note() -> None:
    assert (
        defined(tags=["a"], change_note="x").content_sha256
        == defined(key="other", title="Gibson", tags=["b"]).content_sha256
    )


def test_the_digest_of_content_does_not_depend_on_the_order_of_members() -> None:
    written = slot("x", "integer", min=1, max=2)
    reversed_slot = dict(reversed(written.items()))

    assert (
        defined(steps=[step(slots=[written])]).content_sha256
        == defined(steps=[step(slots=[reversed_slot])]).content_sha256
    )
