"""Runs as the database has them: heads, records, and what reading them costs."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.roles import Role
from runs.actions import Outcome, VerbRequest, abort_run, amend_step, pause_run, resume_run, skip_step
from runs.models import Run, RunEvent
from runs.records import head_with_id, record_with_id
from tests.factories import body, commit, slot, start, step, verb_request

STEPS = [
    step("one", slots=[slot("mass", "decimal", min=5, out_of_range="deviation", required=False)]),
    step("two", skippable=True),
]


@pytest.fixture
def supervisor_user(person: Callable[[Role], User]) -> User:
    return person(Role.SUPERVISOR)


@pytest.fixture
def run(supervisor_user: User) -> Run:
    """A run of two steps, in any order."""
    return start(supervisor_user, body(steps=STEPS, ordering="any"))


def asked(run: Run, actor: User, **members: Any) -> VerbRequest:
    return verb_request(run, actor, reason="why not", **members)


def completed_and_amended(run: Run, actor: User) -> Iterator[Outcome]:
    """Do to a run, one after the other, all that can be done until it has been completed and corrected."""
    deviations = [{"slot": "mass", "reason": "spilled"}]
    yield commit(run, "one", actor, values={"mass": 4}, deviations=deviations)
    yield pause_run(request=asked(run, actor))
    yield resume_run(request=verb_request(run, actor))
    yield amend_step(request=asked(run, actor, amends=2, values={"mass": 6}), step_key="one")
    yield skip_step(request=asked(run, actor), step_key="two")
    yield amend_step(request=asked(run, actor, amends=6), step_key="two")


def aborted(run: Run, actor: User) -> Iterator[Outcome]:
    yield commit(run, "two", actor)
    yield abort_run(request=asked(run, actor))


@pytest.mark.parametrize("story", [completed_and_amended, aborted])
def test_a_run_stands_where_its_newest_events_say_and_where_its_whole_ledger_says(
    run: Run, supervisor_user: User, story: Callable[[Run, User], Iterator[Outcome]]
) -> None:
    before = head_with_id(run.pk)
    for recorded in story(run, supervisor_user):
        head, record, told = head_with_id(run.pk), record_with_id(run.pk), before.with_event(recorded.event)

        assert head.progress == record.progress == told.progress
        assert head.progress.steps == record.progress.steps
        assert head.newest_hash == record.newest_hash == told.newest_hash == recorded.event.hash
        before = head


def test_a_run_that_has_just_been_started_has_one_event(run: Run) -> None:
    head, record = head_with_id(run.pk), record_with_id(run.pk)

    assert head.progress == record.progress
    assert (head.last_seq, head.newest_hash) == (1, RunEvent.objects.get().hash)


def test_a_head_and_a_record_take_three_statements_however_long_the_ledger_is(
    run: Run, supervisor_user: User, django_assert_num_queries: Callable[[int], Any]
) -> None:
    for _ in completed_and_amended(run, supervisor_user):
        pass

    with django_assert_num_queries(3):
        head_with_id(run.pk)
    with django_assert_num_queries(3):
        record = record_with_id(run.pk)
        assert [event.step.key for event in record.events if event.step] == ["one", "one", "two", "two"]


def test_where_a_run_stands_is_read_without_what_its_other_steps_say(run: Run, supervisor_user: User) -> None:
    """A procedure may have hundreds of steps, each with instructions and slots."""
    with CaptureQueriesContext(connection) as asked_for:
        commit(run, "two", supervisor_user)

    statements = [query["sql"] for query in asked_for.captured_queries]
    assert [
        sql for sql in statements if '"instructions"' in sql and '"procedures_step"."key" = \'two\'' not in sql
    ] == []
    assert any('"instructions"' in sql for sql in statements)
