"""A run has a limited number of events, but can always be finished."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from access.roles import Role
from runs.models import Run
from tests.conftest import ApiClient
from tests.factories import body, commit, start, step

pytestmark = pytest.mark.django_db

MAX_EVENTS = 4
REASON = {"reason": "Fire alarm"}


@pytest.fixture(autouse=True)
def few_events(settings: Settings) -> None:
    settings.MAX_EVENTS = MAX_EVENTS


@pytest.fixture
def run(person: Callable[[Role], User]) -> Run:
    """A run of two steps, with its first event."""
    return start(person(Role.OPERATOR), body(steps=[step("measure", skippable=True), step("incubate")]))


def ask(client: ApiClient, run: Run, verb: str, content: dict[str, Any] | None = None) -> Any:
    return client.post(f"/runs/{run.pk}/{verb}", content)


def fill(client: ApiClient, run: Run, *verbs: str) -> None:
    """Bring the run to its limit."""
    for verb in verbs:
        assert ask(client, run, verb).status_code in {200, 201}
    run.refresh_from_db()
    assert run.last_seq == MAX_EVENTS


def assert_too_long(answer: Any) -> None:
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/run-too-long")


def test_a_run_that_was_paused_at_the_limit_is_resumed_and_completed(operator: ApiClient, run: Run) -> None:
    fill(operator, run, "pause", "resume", "pause")

    assert ask(operator, run, "resume").status_code == 200
    assert ask(operator, run, "steps/measure/commit").status_code == 201
    assert ask(operator, run, "steps/incubate/commit").json()["run"]["status"] == "completed"


def test_a_run_at_the_limit_is_not_paused_again(operator: ApiClient, run: Run) -> None:
    fill(operator, run, "pause", "resume", "pause")
    ask(operator, run, "resume")

    assert_too_long(ask(operator, run, "pause"))


def test_a_step_of_a_run_at_the_limit_is_skipped(operator: ApiClient, run: Run) -> None:
    fill(operator, run, "pause", "resume", "pause")
    ask(operator, run, "resume")

    assert ask(operator, run, "steps/measure/skip", REASON).status_code == 201


def test_a_run_at_the_limit_is_aborted(operator: ApiClient, supervisor: ApiClient, run: Run) -> None:
    fill(operator, run, "pause", "resume", "pause")

    assert ask(supervisor, run, "abort", REASON).status_code == 200


def test_a_step_of_a_run_at_the_limit_is_not_amended(
    operator: ApiClient, run: Run, person: Callable[[Role], User]
) -> None:
    commit(run, "measure", person(Role.OPERATOR))
    fill(operator, run, "pause", "resume")

    assert_too_long(ask(operator, run, "steps/measure/amend", {"amends": 2, **REASON}))
