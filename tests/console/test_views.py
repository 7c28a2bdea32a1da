"""Home, procedures, and signing in."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from access.roles import Role
from runs.models import Run
from tests.console.conftest import Browser
from tests.factories import archive, body, publish

NAME, SECRET = "mkoch", "correct-horse-battery"


@pytest.fixture
def member(person: Callable[[Role], User]) -> User:
    """An operator who has a password."""
    operator = person(Role.OPERATOR)
    operator.username = NAME
    operator.set_password(SECRET)
    operator.save()
    return operator


def sign_in(client: Client, password: str = SECRET, **more: str) -> Any:
    return client.post("/console/sign-in", {"username": NAME, "password": password, **more})


@pytest.mark.usefixtures("member", "redis")
def test_whoever_signs_in_comes_to_the_page_that_they_wanted() -> None:
    answer = sign_in(Client(), next="/wall")

    assert (answer.status_code, answer["Location"]) == (302, "/wall")


@pytest.mark.usefixtures("member", "redis")
@pytest.mark.parametrize(
    "hostile", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\\\\evil.example"]
)
def test_a_hostile_next_leads_home(hostile: str) -> None:
    answer = sign_in(Client(), next=hostile)

    assert answer["Location"] == "/"


@pytest.mark.usefixtures("member", "redis")
def test_a_wrong_password_is_refused_and_keeps_the_name() -> None:
    answer = sign_in(Client(), "wrong")

    page = answer.content.decode()
    assert "The name or the password is wrong." in page
    assert f'value="{NAME}"' in page


def test_signing_out_ends_the_session(browser_of: Browser) -> None:
    client = browser_of(Role.VIEWER)

    client.post("/console/sign-out")

    assert client.get("/").status_code == 302


def test_home_shows_my_runs_and_those_of_others(browser_of: Browser, run: Run) -> None:
    mine = browser_of(Role.OPERATOR).get("/").content.decode()
    others = browser_of(Role.SUPERVISOR).get("/").content.decode()

    assert mine.index("My runs") < mine.index(str(run.pk)) < mine.index("Running now")
    assert others.index("Running now") < others.index(str(run.pk))


def test_home_shows_no_runs_to_whoever_may_only_read_procedures(run: Run, django_user_model: type[User]) -> None:
    reader = django_user_model.objects.create_user("reader")
    reader.user_permissions.add(Permission.objects.get(codename="view_procedure"))
    client = Client(headers={"Accept": "text/html"})
    client.force_login(reader)

    page = client.get("/").content.decode()

    assert "mixing" in page
    assert str(run.pk) not in page


@pytest.mark.parametrize(("path", "codename"), [("/console/review", "abort_run"), ("/console/cache", "abort_run")])
def test_pages_about_runs_are_not_for_people_who_may_not_read_runs(
    run: Run, django_user_model: type[User], path: str, codename: str
) -> None:
    person = django_user_model.objects.create_user("reader")
    person.user_permissions.add(Permission.objects.get(codename=codename))
    client = Client(headers={"Accept": "text/html"})
    client.force_login(person)

    assert client.get(path).status_code == 403


def test_a_run_is_not_started_by_whoever_may_not_read_it(run: Run, django_user_model: type[User]) -> None:
    person = django_user_model.objects.create_user("starter")
    person.user_permissions.add(Permission.objects.get(codename="execute_run"))
    client = Client(headers={"Accept": "text/html"})
    client.force_login(person)

    assert client.post("/console/procedures/mixing/start").status_code == 403
    assert Run.objects.count() == 1


def test_home_finds_procedures_by_title_key_and_tag(browser_of: Browser) -> None:
    publish(body("mixing", title="Mixing", tags=["lab"]))
    publish(body("flying", title="Before take-off"))
    publish(body("gone", title="Gone"))
    archive("gone")
    client = browser_of(Role.VIEWER)

    def shown(query: str) -> set[str]:
        page = client.get(f"/?{query}").content.decode()
        return {key for key in ("mixing", "flying", "gone") if f"/console/procedures/{key}" in page}

    assert shown("") == {"mixing", "flying"}
    assert shown("q=TAKE") == {"flying"}
    assert shown("q=mix") == {"mixing"}
    assert shown("tag=lab") == {"mixing"}
    assert shown("q=%00") == {"mixing", "flying"}
    assert shown("q=nothing") == set()


def test_a_run_is_started_from_the_page_of_its_procedure_once(browser_of: Browser) -> None:
    publish(body("mixing", title="Mixing"))
    client = browser_of(Role.OPERATOR)
    fields = {"key": "k", "external_ref": "batch 7"}

    first = client.post("/console/procedures/mixing/start", fields)
    second = client.post("/console/procedures/mixing/start", fields)

    run = Run.objects.get()
    assert first["Location"] == second["Location"] == f"/console/runs/{run.pk}"
    assert run.external_ref == "batch 7"


def test_an_archived_procedure_is_shown_and_takes_no_runs(browser_of: Browser) -> None:
    publish(body("mixing", title="Mixing"))
    archive("mixing")
    client = browser_of(Role.OPERATOR)

    assert "takes no new runs" in client.get("/console/procedures/mixing").content.decode()
    refused = client.post("/console/procedures/mixing/start", {"key": "k"})

    assert refused.status_code == 409
    assert "The procedure is archived" in refused.content.decode()


def test_viewers_cannot_start_runs(browser_of: Browser) -> None:
    publish(body("mixing"))
    client = browser_of(Role.VIEWER)

    assert "Start the run" not in client.get("/console/procedures/mixing").content.decode()
    assert client.post("/console/procedures/mixing/start", {"key": "k"}).status_code == 403
