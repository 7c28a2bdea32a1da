"""Which counters each write to procedures bumps once it has committed."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from prometheus_client import REGISTRY

from procedures import drafts
from procedures.models import Procedure
from rest import timestamps
from tests import factories
from tests.conftest import ApiClient, BumpedBy
from tests.factories import body, publish, step

pytestmark = pytest.mark.django_db

LIST = "procedures:list:version"
GIBSON = "procedures:procedure:gibson:version"


def roll_back(write: Callable[[], object]) -> None:
    with transaction.atomic():
        write()
        transaction.set_rollback(True)


def test_a_created_procedure_bumps_the_list_and_itself(bumped_by: BumpedBy) -> None:
    assert bumped_by(lambda: publish(body())) == {LIST, GIBSON}


def test_a_new_revision_bumps_the_list_and_its_procedure_only(bumped_by: BumpedBy) -> None:
    publish(body("gibson"))
    publish(body("lockout"))

    assert bumped_by(lambda: publish(body(title="Better"))) == {LIST, GIBSON}


def test_changed_tags_bump_the_list_and_the_procedure(bumped_by: BumpedBy) -> None:
    publish(body())

    assert bumped_by(lambda: publish(body(tags=["lab"]))) == {LIST, GIBSON}


def test_an_archived_procedure_bumps_the_list_and_itself(bumped_by: BumpedBy) -> None:
    publish(body())

    assert bumped_by(factories.archive) == {
        LIST,
        GIBSON,
    }


def test_a_deleted_procedure_bumps_the_list_and_itself(bumped_by: BumpedBy) -> None:
    now = timestamps.now()
    draft_only = Procedure.objects.create(key="gibson", created_at=now, updated_at=now)

    assert bumped_by(draft_only.delete) == {LIST, GIBSON}


def test_a_published_draft_bumps_the_list_and_its_procedure(bumped_by: BumpedBy) -> None:
    author = User.objects.create_superuser("mkoch")
    draft = drafts.open_draft(procedure=publish(body()), actor=author, now=timestamps.now())
    draft.title = "Second"
    draft.save()

    def publish_draft() -> None:
        drafts.publish_draft(draft=draft, actor=author, now=timestamps.now())

    assert bumped_by(publish_draft) == {LIST, GIBSON}


def test_editing_a_draft_bumps_nothing(bumped_by: BumpedBy) -> None:
    procedure = publish(body())
    author = User.objects.create_user("mkoch")

    def edit() -> None:
        draft = drafts.open_draft(procedure=procedure, actor=author, now=timestamps.now())
        draft.title = "Better"
        draft.save()
        draft.steps.all()[0].save()

    assert bumped_by(edit) == set()


def test_identical_content_bumps_nothing(bumped_by: BumpedBy) -> None:
    publish(body())

    assert bumped_by(lambda: publish(body())) == set()


def test_archiving_again_bumps_nothing(bumped_by: BumpedBy) -> None:
    publish(body())
    factories.archive()

    assert bumped_by(factories.archive) == set()


def test_a_write_that_is_rolled_back_bumps_nothing(bumped_by: BumpedBy) -> None:
    assert bumped_by(lambda: roll_back(lambda: publish(body()))) == set()


def test_of_two_writes_the_one_that_is_rolled_back_bumps_nothing(bumped_by: BumpedBy) -> None:
    def write() -> None:
        publish(body("gibson"))
        roll_back(lambda: publish(body("lockout")))

    assert bumped_by(write) == {LIST, GIBSON}


def test_a_refused_request_bumps_nothing(bumped_by: BumpedBy, author: ApiClient) -> None:
    assert bumped_by(lambda: author.post("/procedures", body(steps=[step(role="nobody")]))) == set()


def test_post_put_and_delete_bump_the_list_and_the_procedure(bumped_by: BumpedBy, author: ApiClient) -> None:
    match = {"If-Match": "*"}

    assert bumped_by(lambda: author.post("/procedures", body())) == {LIST, GIBSON}
    assert bumped_by(lambda: author.put("/procedures/gibson", body(title="B"), headers=match)) == {LIST, GIBSON}
    assert bumped_by(lambda: author.delete("/procedures/gibson", headers=match)) == {LIST, GIBSON}


def test_many_writes_of_one_transaction_are_one_invalidation(bumped_by: BumpedBy) -> None:
    def counted() -> list[float]:
        name = "backend_procedure_cache_invalidations_total"
        return [REGISTRY.get_sample_value(name, {"resource": kind}) or 0 for kind in ("list", "procedure", "run")]

    lists, procedures, runs = counted()

    bumped_by(lambda: [publish(body(title=str(number))) for number in range(5)])

    assert counted() == [lists + 1, procedures + 1, runs]
