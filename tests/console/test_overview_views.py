"""The wall and the review."""

from typing import Any

import pytest

from access.roles import Role
from runs.models import Run
from tests.console.conftest import Browser, form
from tests.factories import start


def test_the_wall_shows_who_is_at_which_step_since_when(browser_of: Browser, run: Run) -> None:
    page = browser_of(Role.VIEWER).get("/wall").content.decode()

    assert "Mixing" in page
    assert "Mix</p>" in page
    assert "test-operator" in page
    assert f'data-since="{run.started_at.isoformat()}"' in page


def test_a_wall_on_which_nothing_runs_says_so(browser_of: Browser) -> None:
    assert "Nothing is running." in browser_of(Role.VIEWER).get("/wall/live").content.decode()


def test_the_wall_asks_the_database_as_often_for_many_runs_as_for_few(
    browser_of: Browser, run: Run, django_assert_num_queries: Any
) -> None:
    client = browser_of(Role.VIEWER)
    client.get("/wall/live")
    with django_assert_num_queries(10):  # session, user, rights (2), runs (2), steps (2), events (2)
        client.get("/wall/live")
    for _ in range(3):
        start(run.started_by)
    with django_assert_num_queries(10):
        client.get("/wall/live")


def test_the_review_shows_deviations_amendments_and_skips(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.SUPERVISOR)
    place = f"/console/runs/{run.pk}/steps"
    client.post(f"{place}/mix/commit", form(value__minutes="90", deviation__minutes="Cold oven."))
    client.post(f"{place}/mix/amend", form(key="a", value__minutes="60", amends="2", reason="Misread."))
    client.post(f"{place}/rest/skip", {"key": "s", "reason": "No time."})

    page = client.get("/console/review?days=1").content.decode()

    assert all(text in page for text in ("deviation of Minutes", "Cold oven.", "Misread.", "No time."))


def test_the_review_times_the_steps_of_a_procedure(browser_of: Browser, run: Run) -> None:
    client = browser_of(Role.SUPERVISOR)
    client.post(f"/console/runs/{run.pk}/steps/mix/commit", form())

    page = client.get("/console/review?days=7&procedure=mixing").content.decode()

    assert 'class="chart"' in page
    assert page.count("<rect") == 1  # what it took; nothing is expected


@pytest.mark.parametrize("query", ["procedure=%00", "procedure=%ff", "procedure=none", "days=x", "days=99999999999"])
def test_the_review_of_what_cannot_be_is_the_review_of_all(browser_of: Browser, query: str) -> None:
    answer = browser_of(Role.SUPERVISOR).get(f"/console/review?{query}")

    assert answer.status_code == 200


def test_the_review_is_for_supervisors(browser_of: Browser) -> None:
    assert browser_of(Role.OPERATOR).get("/console/review").status_code == 403
