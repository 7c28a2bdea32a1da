"""Tokens in the admin, over HTTP."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from redis import Redis

from access.actions import issue_token
from access.models import ApiToken
from access.roles import Role
from tests.conftest import ApiClient

LIST = "/admin/access/apitoken/"
LONG = "9" * 5_000  # more digits than Python reads as a number
ADD = f"{LIST}add/"
PEOPLE = "/admin/auth/user/"
JOINED = {"date_joined_0": "2026-11-23", "date_joined_1": "09:00:00"}


@pytest.fixture
def viewing(person: Callable[[Role], User]) -> User:
    return person(Role.VIEWER)


def test_the_secret_is_shown_once_at_creation(admin_client: Client, viewing: User, redis: Redis) -> None:
    answer = admin_client.post(ADD, {"name": "theatre 4", "user": viewing.pk}, follow=True)

    (secret,) = re.findall(r"prc_[\w-]{40,}", answer.text)
    assert ApiClient(secret).get("/procedures").status_code == 200
    assert secret not in admin_client.get(LIST).text


def test_an_expiry_can_be_set(admin_client: Client, viewing: User) -> None:
    admin_client.post(
        ADD, {"name": "visitor", "user": viewing.pk, "expires_at_0": "2999-11-23", "expires_at_1": "09:00:00"}
    )

    expires_at = ApiToken.objects.get().expires_at
    assert expires_at is not None
    assert expires_at.isoformat() == "2999-11-23T09:00:00+00:00"


def test_a_token_that_has_already_expired_is_not_issued(admin_client: Client, viewing: User) -> None:
    answer = admin_client.post(
        ADD, {"name": "visitor", "user": viewing.pk, "expires_at_0": "2020-11-23", "expires_at_1": "09:00:00"}
    )

    assert "This time is in the past." in answer.text
    assert not ApiToken.objects.exists()


def test_the_list_shows_tokens_by_their_beginning_only(admin_client: Client, viewing: User) -> None:
    secret = issue_token(user=viewing, name="tablet")

    page = admin_client.get(LIST).text

    assert secret[:12] in page
    assert secret not in page
    assert ApiToken.objects.get().digest not in page


def test_a_token_can_be_revoked_but_not_changed(admin_client: Client, viewing: User) -> None:
    issue_token(user=viewing, name="tablet")
    token = ApiToken.objects.get()

    admin_client.post(f"{LIST}{token.pk}/change/", {"name": "renamed", "user": viewing.pk})
    answer = admin_client.post(LIST, {"action": "revoke", "_selected_action": [token.pk]}, follow=True)

    token.refresh_from_db()
    assert token.name == "tablet"
    assert token.revoked_at is not None
    assert "Revoked: 1." in answer.text


def test_a_token_cannot_be_deleted(admin_client: Client, viewing: User) -> None:
    issue_token(user=viewing, name="tablet")
    token = ApiToken.objects.get()

    answer = admin_client.post(f"{LIST}{token.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 403
    assert ApiToken.objects.exists()


def test_the_bulk_deletion_is_not_offered(admin_client: Client, viewing: User) -> None:
    issue_token(user=viewing, name="tablet")

    assert "delete_selected" not in admin_client.get(LIST).text


def test_staff_without_the_permission_may_neither_create_nor_revoke(client: Client, viewing: User) -> None:
    issue_token(user=viewing, name="tablet")
    client.force_login(User.objects.create_user("staff", is_staff=True))

    created = client.post(ADD, {"name": "mine", "user": viewing.pk})
    revoked = client.post(LIST, {"action": "revoke", "_selected_action": [ApiToken.objects.get().pk]})

    assert (created.status_code, revoked.status_code) == (403, 403)
    assert ApiToken.objects.get().revoked_at is None


def test_the_admin_requires_a_login(client: Client, db: None) -> None:
    answer = client.get(LIST)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")


@pytest.mark.parametrize(
    "page",
    ["procedures/procedure/", "procedures/revision/", "runs/run/", "access/apitoken/", "auth/user/", "auth/group/"],
)
def test_administrators_by_role_reach_every_list(client: Client, manager: User, page: str) -> None:
    assert client.get(f"/admin/{page}").status_code == 200


def test_administrators_by_role_give_people_their_roles(
    client: Client, manager: User, viewing: User, redis: Redis
) -> None:
    operators, _ = Group.objects.get_or_create(name=Role.OPERATOR)
    form = {"username": "mkoch", "is_active": "on", "is_staff": "on", "groups": [operators.pk]}

    answer = client.post(f"{PEOPLE}{viewing.pk}/change/", {**form, **JOINED})

    viewing.refresh_from_db()
    assert answer.status_code == 302
    assert (viewing.username, viewing.is_staff, viewing.groups.get()) == ("mkoch", True, operators)


@pytest.mark.parametrize("is_oneself", [True, False])
def test_administrators_by_role_cannot_make_superusers(
    client: Client, manager: User, viewing: User, is_oneself: bool
) -> None:
    somebody = manager if is_oneself else viewing
    everything = list(Permission.objects.values_list("pk", flat=True))
    form = {"username": "mkoch", "is_active": "on", "is_superuser": "on", "user_permissions": everything}

    answer = client.post(f"{PEOPLE}{somebody.pk}/change/", {**form, **JOINED})

    somebody.refresh_from_db()
    assert (answer.status_code, somebody.username) == (302, "mkoch")
    assert not somebody.is_superuser
    assert not somebody.user_permissions.exists()


@pytest.mark.parametrize("page", ["change/", "password/", "delete/", "history/"])
def test_superusers_are_out_of_reach_of_administrators_by_role(
    client: Client, manager: User, admin_user: User, page: str
) -> None:
    answer = client.post(
        f"{PEOPLE}{admin_user.pk}/{page}",
        {"username": "taken", "password1": "a long new secret", "password2": "a long new secret", "post": "yes"},
    )

    superuser = User.objects.get(pk=admin_user.pk)
    assert answer.status_code in {302, 404}
    assert (superuser.username, superuser.password, superuser.is_superuser) == ("admin", admin_user.password, True)
    assert f"{PEOPLE}{admin_user.pk}/change/" not in client.get(PEOPLE).text


def test_administrators_by_role_cannot_issue_tokens_for_superusers(
    client: Client, manager: User, admin_user: User, viewing: User
) -> None:
    client.post(ADD, {"name": "mine", "user": admin_user.pk})
    client.post(ADD, {"name": "theirs", "user": viewing.pk})

    assert [token.user for token in ApiToken.objects.all()] == [viewing]


def test_superusers_manage_superusers(admin_client: Client, admin_user: User, viewing: User) -> None:
    form = {"username": "mkoch", "is_active": "on", "is_superuser": "on"}

    admin_client.post(f"{PEOPLE}{viewing.pk}/change/", {**form, **JOINED})

    viewing.refresh_from_db()
    assert viewing.is_superuser


def test_a_nul_in_a_search_is_not_a_failure(admin_client: Client, viewing: User) -> None:
    where = "app_label=access&model_name=apitoken&field_name=user"

    answer = admin_client.get(f"/admin/autocomplete/?term=%00{viewing.username}&{where}")

    assert [result["text"] for result in answer.json()["results"]] == [viewing.username]


@pytest.mark.parametrize("user", ["x", "\u00b2", "1.0", "9" * 30, LONG, "-1", ""])
def test_a_person_who_cannot_be_is_refused_beside_the_field(admin_client: Client, user: str) -> None:
    answer = admin_client.post(ADD, {"name": "tablet", "user": user})

    assert answer.status_code == 200
    assert 'id="id_user_error"' in answer.text
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("path", [LIST, PEOPLE, "/admin/auth/group/", "/admin/procedures/procedure/"])
@pytest.mark.parametrize("key", ["x", "1.5", ""])
def test_an_action_on_a_line_that_cannot_be_is_a_wrong_request(admin_client: Client, path: str, key: str) -> None:
    action = {LIST: "revoke", "/admin/procedures/procedure/": "archive"}.get(path, "delete_selected")

    answer = admin_client.post(path, {"action": action, "_selected_action": key})

    assert answer.status_code == 400
