"""Writing runs: one test for each way that starting or committing can end."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection

from access.problems import ROLE_REQUIRED
from access.roles import Role
from procedures.problems import PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND
from rest import timestamps
from rest.problems import FORBIDDEN, VALIDATION_FAILED
from runs import actions
from runs.models import Run, RunEvent
from runs.problems import (
    PROCEDURE_ARCHIVED,
    RUN_NOT_FOUND,
    RUN_NOT_IN_PROGRESS,
    STEP_ALREADY_COMMITTED,
    STEP_NOT_FOUND,
    STEP_OUT_OF_ORDER,
)
from runs.serializers import CommitSerializer
from runs.submissions import StartSubmission
from tests import factories
from tests.factories import body, commit, item, publish, slot, start, step

pytestmark = pytest.mark.django_db

NOW = timestamps.to_milliseconds(datetime.now(UTC))
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def mkoch(person: Callable[[Role], User]) -> User:
    user = person(Role.OPERATOR)
    user.first_name, user.last_name = "Maria", "Koch"
    user.save()
    return user


def paused(run: Run, actor: User) -> Run:
    actions.pause_run(request=factories.verb_request(run, actor, NOW))
    return run


def aborted(run: Run, actor: User) -> Run:
    actions.abort_run(request=factories.verb_request(run, actor, NOW, reason="Fire alarm"))
    return run


def unchanged(run: Run) -> bool:
    """Tell whether only the start was written."""
    seq = Run.objects.get(pk=run.pk).last_seq
    return seq == RunEvent.objects.filter(run=run).count() == 1


def test_start_run_pins_the_current_revision(mkoch: User) -> None:
    publish(body(title="First"))
    procedure = publish(body(title="Second"))

    recorded = actions.start_run(submission=StartSubmission("gibson"), actor=mkoch, now=NOW)

    run = Run.objects.get()
    assert recorded.event.run == run
    assert (run.revision, run.title, run.external_ref) == (procedure.current, "Second", None)
    assert (run.status, run.last_seq, run.started_at, run.ended_at) == ("in_progress", 1, NOW, None)
    assert (run.started_by, run.started_by_name) == (mkoch, "Maria Koch")


def test_start_run_is_the_first_event_of_the_ledger(mkoch: User) -> None:
    run = start(mkoch)

    event = run.events.get()
    assert (event.seq, event.kind, event.step, event.actor, event.actor_name) == (1, "start", None, mkoch, "Maria Koch")


def test_start_run_takes_a_title_and_a_reference(mkoch: User) -> None:
    publish(body())

    actions.start_run(
        submission=StartSubmission("gibson", title="Batch 12", external_ref="ELN-1"), actor=mkoch, now=NOW
    )

    run = Run.objects.get()
    assert (run.title, run.external_ref) == ("Batch 12", "ELN-1")


def test_start_run_takes_an_older_revision(mkoch: User) -> None:
    publish(body(title="First"))
    publish(body(title="Second"))

    actions.start_run(submission=StartSubmission("gibson", revision=1), actor=mkoch, now=NOW)

    assert Run.objects.get().revision.number == 1


def test_start_run_refuses_an_unknown_procedure(mkoch: User) -> None:
    with pytest.raises(PROCEDURE_NOT_FOUND):
        actions.start_run(submission=StartSubmission("nothing"), actor=mkoch, now=NOW)


def test_start_run_refuses_an_unknown_revision(mkoch: User) -> None:
    publish(body())

    with pytest.raises(REVISION_NOT_FOUND):
        actions.start_run(submission=StartSubmission("gibson", revision=2), actor=mkoch, now=NOW)


def test_start_run_refuses_an_archived_procedure(mkoch: User) -> None:
    publish(body())
    factories.archive(now=NOW)

    with pytest.raises(PROCEDURE_ARCHIVED):
        actions.start_run(submission=StartSubmission("gibson"), actor=mkoch, now=NOW)

    assert not Run.objects.exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUTHOR])
def test_start_run_refuses_an_actor_who_may_only_read(person: Callable[[Role], User], role: Role) -> None:
    publish(body())

    with pytest.raises(FORBIDDEN):
        actions.start_run(submission=StartSubmission("gibson"), actor=person(role), now=NOW)


def test_commit_step_writes_the_next_event(mkoch: User) -> None:
    slots = [slot("minutes", "integer", max=65, out_of_range="deviation")]
    run = start(mkoch, body(steps=[step("incubate", slots=slots, checklist=[item("on_ice")]), step("plate")]))

    recorded = commit(
        run,
        "incubate",
        mkoch,
        LATER,
        values={"minutes": 71},
        checklist={"on_ice": True},
        deviations=[{"slot": "minutes", "reason": "Lid alarm"}],
        note="Fine.",
        performed_at=timestamps.to_wire(NOW),
    )

    event = RunEvent.objects.get(run=run, seq=2)
    assert recorded.event == event
    assert (event.kind, event.step and event.step.key, event.values) == ("commit", "incubate", {"minutes": 71})
    assert (event.checklist, event.note, event.amends, event.reason) == ({"on_ice": True}, "Fine.", None, None)
    assert [deviation["reason"] for deviation in event.deviations] == ["Lid alarm"]
    assert (event.actor_name, event.recorded_at, event.performed_at) == ("Maria Koch", LATER, NOW)


def test_commit_step_returns_where_the_run_stands_after_it(mkoch: User) -> None:
    run = start(mkoch)

    answered = json.loads(commit(run, "measure", mkoch).answer.body)["run"]

    assert (answered["last_seq"], answered["progress"]["resolved"], answered["next_steps"]) == (2, 1, ["incubate"])
    run.refresh_from_db()
    assert (run.last_seq, run.status, run.ended_at) == (2, "in_progress", None)


def test_commit_step_of_the_last_one_completes_the_run_without_an_event_of_its_own(mkoch: User) -> None:
    run = start(mkoch)
    commit(run, "measure", mkoch, NOW)

    commit(run, "incubate", mkoch, LATER)

    run.refresh_from_db()
    assert (run.status, run.ended_at, run.end_reason, run.last_seq) == ("completed", LATER, None, 3)
    assert [event.kind for event in run.events.order_by("seq")] == ["start", "commit", "commit"]


def test_commit_step_in_any_order_completes_the_run_with_the_last_step_left(mkoch: User) -> None:
    run = start(mkoch, body(ordering="any"))
    commit(run, "incubate", mkoch)
    run.refresh_from_db()
    assert run.status == "in_progress"

    commit(run, "measure", mkoch)

    run.refresh_from_db()
    assert run.status == "completed"


def test_commit_step_keeps_to_the_pinned_revision(mkoch: User) -> None:
    run = start(mkoch)
    publish(body(steps=[step("other")]))

    commit(run, "measure", mkoch)

    with pytest.raises(STEP_NOT_FOUND):
        commit(run, "other", mkoch)


def test_commit_step_refuses_an_unknown_run(mkoch: User) -> None:
    with pytest.raises(RUN_NOT_FOUND):
        actions.commit_step(request=factories.verb_request(Run(pk=UUID(int=7)), mkoch, NOW), step_key="measure")


def test_commit_step_refuses_an_unknown_step_and_names_the_known(mkoch: User) -> None:
    run = start(mkoch)

    with pytest.raises(STEP_NOT_FOUND) as refusal:
        commit(run, "plate", mkoch)

    assert refusal.value.extensions == {"revision": 1, "known_steps": ["measure", "incubate"]}
    assert unchanged(run)


def test_commit_step_refuses_a_step_of_another_role(mkoch: User, person: Callable[[Role], User]) -> None:
    run = start(mkoch, body(steps=[step("approve", role="supervisor"), step("plate")]))

    with pytest.raises(ROLE_REQUIRED) as refusal:
        commit(run, "approve", mkoch)

    assert refusal.value.extensions == {"role": "supervisor"}
    assert unchanged(run)
    assert commit(run, "approve", person(Role.SUPERVISOR)).event.seq == 2


def test_commit_step_refuses_an_actor_who_may_only_read(mkoch: User, person: Callable[[Role], User]) -> None:
    run = start(mkoch)

    with pytest.raises(FORBIDDEN):
        commit(run, "measure", person(Role.VIEWER))

    assert unchanged(run)


def test_commit_step_refuses_a_completed_run(mkoch: User) -> None:
    run = start(mkoch, body(steps=[step("only")]))
    commit(run, "only", mkoch)

    with pytest.raises(RUN_NOT_IN_PROGRESS) as refusal:
        commit(run, "only", mkoch)

    assert refusal.value.extensions == {"run_status": "completed"}


def test_commit_step_refuses_a_paused_run(mkoch: User) -> None:
    run = paused(start(mkoch), mkoch)

    with pytest.raises(RUN_NOT_IN_PROGRESS) as refusal:
        commit(run, "measure", mkoch)

    assert refusal.value.extensions == {"run_status": "paused"}


def test_commit_step_refuses_an_aborted_run(mkoch: User, person: Callable[[Role], User]) -> None:
    run = aborted(start(mkoch), person(Role.SUPERVISOR))

    with pytest.raises(RUN_NOT_IN_PROGRESS) as refusal:
        commit(run, "measure", mkoch)

    assert refusal.value.extensions == {"run_status": "aborted"}


def test_commit_step_refuses_a_step_out_of_order_and_names_the_blocking_ones(mkoch: User) -> None:
    run = start(mkoch, body(steps=[step("a"), step("b"), step("c")]))

    with pytest.raises(STEP_OUT_OF_ORDER) as refusal:
        commit(run, "c", mkoch)

    assert refusal.value.extensions == {"blocking_steps": ["a", "b"]}
    assert unchanged(run)


def test_commit_step_refuses_a_second_commit_and_names_the_first(mkoch: User) -> None:
    run = start(mkoch, body(steps=[step("a"), step("b"), step("c")]))
    first_commit = commit(run, "a", mkoch).event
    commit(run, "b", mkoch)

    with pytest.raises(STEP_ALREADY_COMMITTED) as refusal:
        commit(run, "a", mkoch)

    assert refusal.value.extensions["commit"] == CommitSerializer(first_commit).data
    assert RunEvent.objects.filter(run=run).count() == 3


def test_commit_step_refuses_a_wrong_submission_with_every_finding_and_writes_nothing(mkoch: User) -> None:
    run = start(mkoch, body(steps=[step("a", slots=[slot("x", "text")], checklist=[item("y")])]))

    with pytest.raises(VALIDATION_FAILED) as refusal:
        commit(run, "a", mkoch, values={"x": 5, "z": 1})

    assert {error["pointer"] for error in refusal.value.extensions["errors"]} == {
        "/values/x",
        "/values/z",
        "/checklist/y",
    }
    assert unchanged(run)


@pytest.mark.parametrize(
    ("story", "wrong_key", "error"),
    [
        (["a"], "nothing", STEP_NOT_FOUND),
        (["a", "b"], "b", RUN_NOT_IN_PROGRESS),
        (["a"], "a", STEP_ALREADY_COMMITTED),
        ([], "b", STEP_OUT_OF_ORDER),
    ],
)
def test_commit_step_checks_the_order_before_the_submission(
    mkoch: User, story: list[str], wrong_key: str, error: type[Exception]
) -> None:
    run = start(mkoch, body(steps=[step("a"), step("b")]))
    for key in story:
        commit(run, key, mkoch)

    with pytest.raises(error):
        commit(run, wrong_key, mkoch, values={"unknown": 1}, note=5)


def test_the_name_in_the_ledger_is_the_one_at_that_time(mkoch: User) -> None:
    run = start(mkoch)
    commit(run, "measure", mkoch)

    mkoch.last_name = "Renamed"
    mkoch.save()

    assert {event.actor_name for event in run.events.all()} == {"Maria Koch"}


# --- clocks ---


def test_an_event_is_never_recorded_before_the_one_before_it(mkoch: User) -> None:
    run = start(mkoch)
    commit(run, "measure", mkoch)
    before = run.events.get(seq=2).recorded_at

    outcome = commit(run, "incubate", mkoch, now=before - timedelta(minutes=15))

    assert outcome.event.recorded_at == before
    run.refresh_from_db()
    assert run.ended_at == before >= run.started_at


def test_the_clock_is_that_of_postgresql() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (before,) = cursor.fetchone()
        now = timestamps.now()
        cursor.execute("SELECT clock_timestamp()")
        (after,) = cursor.fetchone()

    assert timestamps.to_milliseconds(before) <= now <= after


def test_runs_are_in_the_order_of_the_records_clock(mkoch: User) -> None:
    later = timestamps.now() + timedelta(minutes=15)
    publish(body("clocked"))

    def started(now: datetime) -> Run:
        return actions.start_run(submission=StartSubmission("clocked"), actor=mkoch, now=now).event.run

    first, second, third = started(later), started(later - timedelta(minutes=10)), started(later)

    assert second.pk < first.pk
    assert second.pk < third.pk
