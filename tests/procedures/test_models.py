"""What must always hold for procedures is a constraint in the database."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from procedures.models import Procedure, Revision, Step, step_members
from procedures.problems import PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND
from rest import timestamps
from tests.factories import body, publish, slot, step

pytestmark = pytest.mark.django_db


def a_procedure(**members: Any) -> Procedure:
    now = timestamps.now()
    return Procedure.objects.create(**{"key": "gibson", "created_at": now, "updated_at": now, **members})


def a_revision(procedure: Procedure, **members: Any) -> Revision:
    return Revision.objects.create(procedure=procedure, created_at=timestamps.now(), **{"title": "Gibson", **members})


def a_step(draft: Revision, **members: Any) -> Step:
    return Step.objects.create(revision=draft, **{"key": "measure", "position": 1, "title": "Measure", **members})


def refuses(constraint: str) -> Any:
    """Expect this constraint to refuse what the block does."""
    return pytest.raises(IntegrityError, match=f'"{constraint}"')


def test_a_procedures_key_is_unique() -> None:
    a_procedure()

    with refuses("procedures_procedure_key_key|procedures_procedure_key_\\w+_uniq"), transaction.atomic():
        a_procedure()


@pytest.mark.parametrize("key", ["", "Gibson", "a b", "a--b", "a-", "a_b", "größe", "abc\n", "../a"])
def test_a_procedures_key_is_a_slug(key: str) -> None:
    with refuses("procedure_key_is_a_slug"), transaction.atomic():
        a_procedure(key=key)


def test_a_procedures_status_is_known() -> None:
    with refuses("procedure_status_is_known"), transaction.atomic():
        a_procedure(status="deleted")


def test_a_procedure_has_at_most_one_draft() -> None:
    procedure = a_procedure()
    a_revision(procedure)

    with refuses("procedure_has_at_most_one_draft"), transaction.atomic():
        a_revision(procedure)


def test_each_procedure_may_have_a_draft() -> None:
    a_revision(a_procedure(key="gibson"))
    a_revision(a_procedure(key="lockout"))

    assert Revision.objects.filter(number=None).count() == 2


def test_a_revisions_number_is_unique_in_its_procedure() -> None:
    procedure = a_procedure()
    a_revision(procedure, number=1, published_at=timestamps.now())

    with refuses("revision_number_is_unique_in_its_procedure"), transaction.atomic():
        a_revision(procedure, number=1, published_at=timestamps.now())


@pytest.mark.parametrize(("number", "is_published"), [(1, False), (0, True), (None, True)])
def test_a_revision_is_numbered_exactly_when_it_is_published(number: int | None, is_published: bool) -> None:
    procedure = a_procedure()

    with refuses("revision_is_numbered_when_published"), transaction.atomic():
        a_revision(procedure, number=number, published_at=timestamps.now() if is_published else None)


def test_a_revisions_ordering_is_known() -> None:
    procedure = a_procedure()

    with refuses("revision_ordering_is_known"), transaction.atomic():
        a_revision(procedure, ordering="loose")


def test_a_steps_key_is_unique_in_its_revision_when_the_transaction_ends() -> None:
    draft = a_revision(a_procedure())

    with refuses("step_key_is_unique_in_its_revision"), transaction.atomic():
        a_step(draft, position=1)
        a_step(draft, position=2)
        connection.check_constraints()


def test_a_steps_position_is_unique_in_its_revision_when_the_transaction_ends() -> None:
    draft = a_revision(a_procedure())

    with refuses("step_position_is_unique_in_its_revision"), transaction.atomic():
        a_step(draft, key="measure")
        a_step(draft, key="incubate")
        connection.check_constraints()


def test_two_steps_may_swap_places_within_a_transaction() -> None:
    draft = a_revision(a_procedure())
    measure, incubate = a_step(draft, key="measure", position=1), a_step(draft, key="incubate", position=2)

    measure.position, incubate.position = 2, 1
    measure.save()
    incubate.save()
    connection.check_constraints()

    assert [stored.key for stored in draft.steps.all()] == ["incubate", "measure"]


def test_a_revision_is_current_of_one_procedure_only() -> None:
    revision = publish(body("gibson")).current

    with pytest.raises(IntegrityError, match="current_id"), transaction.atomic():
        a_procedure(key="lockout", current=revision)


def test_the_current_revision_is_one_of_the_procedures_own() -> None:
    publish(body("gibson"))
    old = publish(body("gibson", title="Second")).revisions.get(number=1)
    lockout = publish(body("lockout"))

    with pytest.raises(IntegrityError, match="is a draft or of another procedure than lockout"), transaction.atomic():
        Procedure.objects.filter(pk=lockout.pk).update(current=old)


def test_a_draft_is_never_current() -> None:
    procedure = publish(body("gibson"))
    draft = a_revision(procedure)

    with pytest.raises(IntegrityError, match="is a draft or of another procedure than gibson"), transaction.atomic():
        Procedure.objects.filter(pk=procedure.pk).update(current=draft)


def test_a_procedure_with_revisions_cannot_be_deleted() -> None:
    procedure = a_procedure()
    a_revision(procedure)

    with pytest.raises(ProtectedError):
        procedure.delete()


def test_the_author_of_a_revision_cannot_be_deleted() -> None:
    user = User.objects.create_user("mkoch")
    a_revision(a_procedure(), created_by=user)

    with pytest.raises(ProtectedError):
        user.delete()


def test_procedures_are_ordered_by_key_as_bytes() -> None:
    for key in ("b", "a-b", "ab", "a0", "a"):
        a_procedure(key=key)

    assert list(Procedure.objects.values_list("key", flat=True)) == ["a", "a-b", "a0", "ab", "b"]


def test_a_procedure_with_only_a_draft_is_not_published() -> None:
    draft_only = a_procedure(key="draft-only")
    a_revision(draft_only)
    published = publish(body("published"))

    assert list(Procedure.objects.published()) == [published]
    with pytest.raises(PROCEDURE_NOT_FOUND):
        Procedure.objects.get_published("draft-only")
    with pytest.raises(PROCEDURE_NOT_FOUND):
        _ = draft_only.current_revision


def test_get_published_finds_by_the_exact_key() -> None:
    published = publish(body("gibson"))

    assert Procedure.objects.get_published("gibson") == published
    with pytest.raises(PROCEDURE_NOT_FOUND):
        Procedure.objects.get_published("Gibson")


def test_a_revision_is_found_by_its_number() -> None:
    publish(body("gibson", title="First"))
    procedure = publish(body("gibson", title="Second"))

    assert procedure.published_revision(1).title == "First"
    with pytest.raises(REVISION_NOT_FOUND):
        procedure.published_revision(3)


def test_with_steps_takes_two_statements_however_many_there_are(django_assert_num_queries: Any) -> None:
    for key in ("gibson", "lockout", "incident"):
        publish(body(key))

    with django_assert_num_queries(2):
        keys = [[s.key for s in p.current_revision.steps.all()] for p in Procedure.objects.with_steps()]

    assert keys == [["measure", "incubate"]] * 3


def test_step_members_are_what_the_author_wrote() -> None:
    written = step("measure", slots=[slot("lot", "text")], caution="Hot.", role=None)

    procedure = publish(body(steps=[written]))

    assert step_members(procedure.current_revision.steps.get()) == {
        **written,
        "instructions": "",
        "skippable": False,
        "expected_duration_s": None,
        "checklist": [],
    }


def test_things_are_shown_by_their_names() -> None:
    procedure = publish(body())
    draft = a_revision(procedure)

    assert str(procedure) == "gibson"
    assert str(procedure.current) == "gibson revision 1"
    assert str(draft) == "gibson draft"
    assert str(a_step(draft)) == "measure"
