"""Which counters each write to runs bumps once it has committed."""

import pytest
from django.contrib.auth.models import User

from runs.models import Run, RunEvent
from tests.conftest import ApiClient, BumpedBy
from tests.factories import body, commit, publish, slot, start, step

pytestmark = pytest.mark.django_db


def counter(run: Run) -> str:
    return f"procedures:run:{run.pk}:version"


def test_a_started_run_bumps_itself_only(bumped_by: BumpedBy, operator: ApiClient) -> None:
    publish(body())

    names = bumped_by(lambda: operator.post("/runs", {"procedure": "gibson"}))

    assert names == {counter(Run.objects.get())}


def test_a_commit_bumps_its_run_only(bumped_by: BumpedBy, mkoch: User) -> None:
    run, _other_run = start(mkoch, body("gibson")), start(mkoch, body("lockout"))

    assert bumped_by(lambda: commit(run, "measure", mkoch)) == {counter(run)}


def test_the_commit_that_completes_a_run_bumps_it(bumped_by: BumpedBy, mkoch: User) -> None:
    run = start(mkoch, body(steps=[step("only")]))

    assert bumped_by(lambda: commit(run, "only", mkoch)) == {counter(run)}


def test_a_head_that_is_written_by_itself_bumps_its_run(bumped_by: BumpedBy, mkoch: User) -> None:
    run = start(mkoch)

    assert bumped_by(run.save) == {counter(run)}


def test_an_event_that_is_written_by_itself_bumps_its_run(bumped_by: BumpedBy, mkoch: User) -> None:
    run = start(mkoch)
    event = RunEvent(run=run, seq=2, kind="pause", actor=mkoch, recorded_at=run.started_at)

    assert bumped_by(event.save) == {counter(run)}


def test_a_refused_commit_bumps_nothing(bumped_by: BumpedBy, mkoch: User, operator: ApiClient) -> None:
    run = start(mkoch, body(steps=[step("a", slots=[slot("x", "text")])]))

    assert bumped_by(lambda: operator.post(f"/runs/{run.pk}/steps/a/commit", {"values": {"x": 5}})) == set()


def test_a_read_of_a_run_that_does_not_exist_leaves_no_counter(bumped_by: BumpedBy, operator: ApiClient) -> None:
    missing = "/runs/019aa7f2-6c1e-7d3a-9b1f-2f5e8f0a1c11"

    assert bumped_by(lambda: operator.get(missing)) == set()
