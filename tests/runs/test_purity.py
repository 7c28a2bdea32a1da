"""The body of a run depends only on its pinned revision and its ledger."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from access.roles import Role
from runs.bodies import body_of_run
from runs.models import Run
from tests import factories


@pytest.fixture
def run(person: Callable[[Role], User], redis: object) -> Run:
    """A run with a committed step."""
    run = factories.start(person(Role.OPERATOR), factories.body("gibson"))
    factories.commit(run, "measure", person(Role.OPERATOR))
    return run


def test_a_new_revision_changes_no_byte(run: Run) -> None:
    before = body_of_run(run.pk)

    factories.publish(factories.body("gibson", title="New", steps=[factories.step("other")], tags=["new"]))

    assert body_of_run(run.pk) == before


def test_archiving_changes_no_byte(run: Run) -> None:
    before = body_of_run(run.pk)

    factories.archive()

    assert body_of_run(run.pk) == before


def test_renaming_an_actor_changes_no_byte(run: Run, person: Callable[[Role], User]) -> None:
    before = body_of_run(run.pk)

    User.objects.filter(pk=person(Role.OPERATOR).pk).update(username="renamed", first_name="Somebody", last_name="Else")

    assert body_of_run(run.pk) == before


def test_another_run_changes_no_byte(run: Run, person: Callable[[Role], User]) -> None:
    before = body_of_run(run.pk)

    factories.start(person(Role.OPERATOR), factories.body("gibson"))

    assert body_of_run(run.pk) == before
