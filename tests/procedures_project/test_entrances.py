"""Where people and programs come in."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from rest.problems import problem_types
from tests.answers import problem
from tests.conftest import ApiClient
from tests.procedures_project.test_refusals import BROWSER

PASSWORD = "a password of some length"


@pytest.fixture
def person_with_password(db: None) -> User:
    """Somebody who may log in to the admin."""
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.mark.parametrize(
    ("path", "destination"),
    [("/", "/console/sign-in?next=/"), ("/admin", "/admin/"), ("/favicon.ico", "/static/pages/icon.svg")],
)
def test_a_browser_that_comes_in_is_led_somewhere(anonymous: ApiClient, path: str, destination: str) -> None:
    answer = anonymous.get(path, headers={"Accept": BROWSER})

    assert (answer.status_code, answer["Location"]) == (302, destination)


def test_a_program_at_the_root_is_told_where_things_are(anonymous: ApiClient) -> None:
    answer = anonymous.get("/")

    assert answer.json()["openapi"] == "/openapi.json"
    assert "Accept" in answer["Vary"]
    for name in ("openapi", "docs", "healthz", "readyz"):
        assert anonymous.get(answer.json()[name]).status_code == 200


@pytest.mark.parametrize("slug", ["not-found", "version-mismatch", "run-too-long"])
def test_the_uri_of_a_problem_type_leads_to_its_explanation(anonymous: ApiClient, slug: str) -> None:
    document = anonymous.get(f"/problems/{slug}")
    page = anonymous.get(f"/problems/{slug}", headers={"Accept": BROWSER})

    kind = problem_types()[slug]
    assert document.json() | {"members": {}} == {
        "type": f"/problems/{slug}",
        "title": kind.title,
        "status": kind.status,
        "when": kind.when,
        "members": {},
    }
    assert document.json()["members"].keys() == kind.members.keys()
    assert kind.title in page.content.decode()


def test_a_problem_type_that_does_not_exist_is_not_found(anonymous: ApiClient) -> None:
    assert problem(anonymous.get("/problems/no-such-problem")) == (404, "not-found")


@pytest.mark.parametrize(
    ("destination", "reached"),
    [
        ("/admin/procedures/procedure/", "/admin/procedures/procedure/"),
        ("/admin/procedures/procedure/?status=active", "/admin/procedures/procedure/?status=active"),
        ("/admin/", "/admin/"),
        ("", "/admin/"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/admin/", "/admin/"),
        ("/\\evil.example/", "/admin/"),
        ("\\\\evil.example", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
        ("/accounts/profile/", "/admin/"),
        ("/admin/no/such/page/", "/admin/"),
        ("/procedures", "/admin/"),
        ("admin/", "/admin/"),
        ("/admin/\r\nSet-Cookie: a=b", "/admin/"),
    ],
)
def test_a_login_leads_to_a_page_of_the_admin_and_nowhere_else(
    person_with_password: User, destination: str, reached: str
) -> None:
    client, login = Client(), {"username": "root", "password": PASSWORD}

    by_form = client.post("/admin/login/", login | {"next": destination})
    client.logout()
    by_address = client.post("/admin/login/", login, query_params={"next": destination})

    assert (by_form.status_code, by_form["Location"]) == (302, reached)
    assert (by_address.status_code, by_address["Location"]) == (302, reached)


@pytest.mark.parametrize("destination", ["https://evil.example/", "/accounts/profile/"])
def test_whoever_is_logged_in_already_is_led_nowhere_else_either(person_with_password: User, destination: str) -> None:
    client = Client()
    client.force_login(person_with_password)

    answer = client.get("/admin/login/", query_params={"next": destination})

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_a_login_changes_the_session_and_its_cookie_is_for_this_site_alone(person_with_password: User) -> None:
    client = Client()
    client.cookies["sessionid"] = "chosen-by-somebody-else"

    client.post("/admin/login/", {"username": "root", "password": PASSWORD})

    cookie = client.cookies["sessionid"]
    assert cookie.value != "chosen-by-somebody-else"
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
