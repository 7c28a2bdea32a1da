"""The steps to do now, under the version of their run: conditional like every read of a run."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from runs.actions import pause_run
from runs.models import Run
from tests.conftest import ApiClient
from tests.factories import commit, start, verb_request

pytestmark = pytest.mark.django_db(transaction=True)  # inside of a transaction nothing has a version


@pytest.fixture
def run(mkoch: User) -> Run:
    return start(mkoch)


def current(client: ApiClient, run: Run, tag: str | None = None) -> Any:
    return client.get(f"/runs/{run.pk}/current", headers={"If-None-Match": tag} if tag else {})


def test_the_tag_has_the_version_of_the_run(viewer: ApiClient, run: Run) -> None:
    answer = current(viewer, run)

    of_the_run = viewer.get(f"/runs/{run.pk}")["ETag"]
    assert answer["ETag"].split("-")[0] == of_the_run.split("-")[0]
    assert answer["ETag"] != of_the_run
    assert answer["Cache-Control"] == "private, no-cache"


def test_whoever_has_the_version_gets_304_for_one_statement(viewer: ApiClient, run: Run) -> None:
    tag = current(viewer, run)["ETag"]

    with CaptureQueriesContext(connection) as statements:
        answer = current(viewer, run, tag)

    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", tag)
    assert [one["sql"] for one in statements if "SELECT" in one["sql"] and "runs_" in one["sql"]] == []
    assert current(viewer, run, f'"1-00000000", W/{tag}').status_code == 304
    assert current(viewer, run, "*").status_code == 304


@pytest.mark.parametrize("change", ["commit", "pause"])
def test_every_change_of_the_run_makes_another_tag(viewer: ApiClient, run: Run, mkoch: User, change: str) -> None:
    tag = current(viewer, run)["ETag"]

    if change == "commit":
        commit(run, "measure", mkoch)
    else:
        pause_run(request=verb_request(run, mkoch))

    answer = current(viewer, run, tag)
    assert answer.status_code == 200
    assert answer["ETag"] != tag
    assert current(viewer, run, answer["ETag"]).status_code == 304


def test_the_tag_of_the_whole_run_is_not_a_tag_of_its_steps(viewer: ApiClient, run: Run) -> None:
    assert current(viewer, run, viewer.get(f"/runs/{run.pk}")["ETag"]).status_code == 200


def test_a_run_that_does_not_exist_is_not_found_whatever_the_client_has(viewer: ApiClient) -> None:
    answer = viewer.get("/runs/01938c1e-5d00-7000-8000-000000000001/current", headers={"If-None-Match": "*"})

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/run-not-found")
