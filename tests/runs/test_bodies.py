"""The body of a run made by one statement equals what the serializer writes, byte for byte."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from access.roles import Role
from rest import exact_json, timestamps
from runs.actions import abort_run, amend_step, pause_run, resume_run, skip_step
from runs.bodies import body_of_run
from runs.models import Run
from runs.records import record_with_id
from runs.serializers import RunSerializer
from tests import factories
from tests.factories import body, item, slot, step, verb_request

pytestmark = pytest.mark.django_db

AWKWARD = 'quotes " and \\ and \u2028, é, 😀, "a" : 1, [ ] , { }'
STEPS = [
    step("one", slots=[slot("mass", "decimal", min=5, out_of_range="deviation"), slot("text", "text", required=False)]),
    step("two", skippable=True, checklist=[item("ready")]),
    step("three", title=AWKWARD),
]


def by_serializer(run: Run) -> bytes:
    """Return the run's body as REST framework makes it."""
    return exact_json.dumps(RunSerializer(record_with_id(run.pk)).data)


@pytest.fixture
def supervisor_user(person: Callable[[Role], User]) -> User:
    """A person who may do everything with runs."""
    return person(Role.SUPERVISOR)


@pytest.fixture
def run(supervisor_user: User) -> Run:
    """A run of three steps, in any order."""
    return factories.start(supervisor_user, body("awkward", title=AWKWARD, steps=STEPS, ordering="any"))


def commit_first(run: Run, actor: User) -> None:
    """Commit the first step, with a deviation."""
    factories.commit(
        run,
        "one",
        actor,
        values={"mass": exact_json.loads("4.50"), "text": AWKWARD},
        deviations=[{"slot": "mass", "reason": AWKWARD}],
        note=AWKWARD,
        performed_at=(timestamps.now() - timedelta(minutes=3)).isoformat(),
    )


def test_bodies_of_a_run_that_has_just_been_started_are_equal(run: Run) -> None:
    assert body_of_run(run.pk) == by_serializer(run)


def test_bodies_of_a_run_in_strict_order_are_equal(supervisor_user: User) -> None:
    strict = factories.start(supervisor_user, body("strict", steps=[step("a"), step("b"), step("c")]))
    factories.commit(strict, "a", supervisor_user)

    assert body_of_run(strict.pk) == by_serializer(strict)


def test_bodies_of_a_run_with_events_of_every_kind_are_equal(run: Run, supervisor_user: User) -> None:
    commit_first(run, supervisor_user)
    skip_step(request=verb_request(run, supervisor_user, reason=AWKWARD), step_key="two")
    values = {"mass": exact_json.loads("12.50")}
    amend_step(request=verb_request(run, supervisor_user, amends=2, values=values, reason=AWKWARD), step_key="one")
    pause_run(request=verb_request(run, supervisor_user, reason="lunch"))
    resume_run(request=verb_request(run, supervisor_user))

    assert body_of_run(run.pk) == by_serializer(run)

    abort_run(request=verb_request(run, supervisor_user, reason=AWKWARD))

    assert body_of_run(run.pk) == by_serializer(run)


def test_bodies_of_a_completed_run_that_was_amended_are_equal(run: Run, supervisor_user: User) -> None:
    commit_first(run, supervisor_user)
    factories.commit(run, "two", supervisor_user, checklist={"ready": True})
    factories.commit(run, "three", supervisor_user)
    amend_step(request=verb_request(run, supervisor_user, amends=4, reason="typo"), step_key="three")

    content: Any = exact_json.loads((body_of_run(run.pk) or b"").decode())
    assert content["status"] == "completed"
    assert content["ended_at"] == content["commits"][2]["recorded_at"]
    assert body_of_run(run.pk) == by_serializer(run)


def test_an_absent_run_has_no_body() -> None:
    assert body_of_run(uuid4()) is None


def test_a_run_is_one_statement(run: Run, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        body_of_run(run.pk)
