"""Runs in the admin, read-only."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from access.roles import Role
from rest import exact_json
from runs.models import Run
from tests.factories import body, commit, item, slot, start, step

RUNS = "/admin/runs/run/"
STEPS = [
    step(slots=[slot("mass", "decimal", max=5, out_of_range="deviation"), slot("lot", "text")], checklist=[item("ppe")])
]


@pytest.fixture
def admin_user(db: None) -> User:
    """The superuser of `admin_client`, without a password, because hashing one is slow."""
    return User.objects.create_superuser("admin")


@pytest.fixture
def run(person: Callable[[Role], User]) -> Run:
    """A completed run."""
    operator = person(Role.OPERATOR)
    run = start(operator, body(steps=STEPS))
    values = {"mass": exact_json.loads("12.50"), "lot": "<b>A</b>"}
    deviations = [{"slot": "mass", "reason": "spilled"}]
    commit(run, "measure", operator, values=values, checklist={"ppe": True}, deviations=deviations, note="ok")
    return run


def test_a_run_shows_what_was_recorded_one_thing_per_line(admin_client: Client, run: Run) -> None:
    page = admin_client.get(f"{RUNS}{run.pk}/change/").text

    assert "<div>mass: 12.50</div>" in page
    assert "<div>ppe: true</div>" in page
    assert "<div>mass deviates: spilled</div>" in page
    assert "<div>note: ok</div>" in page


def test_what_was_recorded_is_escaped(admin_client: Client, run: Run) -> None:
    page = admin_client.get(f"{RUNS}{run.pk}/change/").text

    assert "<div>lot: &lt;b&gt;A&lt;/b&gt;</div>" in page
    assert "<b>A</b>" not in page


def test_nobody_changes_a_run(admin_client: Client, run: Run) -> None:
    assert admin_client.post(f"{RUNS}{run.pk}/change/", {"title": "Forged"}).status_code == 403
    assert admin_client.get(f"{RUNS}add/").status_code == 403
    assert admin_client.post(f"{RUNS}{run.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_list_of_runs_is_shown(admin_client: Client, run: Run) -> None:
    assert "gibson revision 1" in admin_client.get(RUNS).text


def test_a_status_with_a_nul_is_a_wrong_filter(admin_client: Client, run: Run) -> None:
    answer = admin_client.get(f"{RUNS}?status__exact=%00")

    assert (answer.status_code, answer["Location"]) == (302, f"{RUNS}?e=1")


def test_a_supervisor_among_the_staff_sees_the_ledger(client: Client, run: Run, person: Callable[[Role], User]) -> None:
    supervisor = person(Role.SUPERVISOR)
    supervisor.is_staff = True
    supervisor.save()
    client.force_login(supervisor)

    assert "<div>mass: 12.50</div>" in client.get(f"{RUNS}{run.pk}/change/").text
