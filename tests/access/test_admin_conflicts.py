"""Two people edit the same person or the same group: nobody overwrites anything unknowingly."""

from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from access.roles import Role
from tests.procedures.page_forms import form_on


@pytest.fixture
def admin_user(db: None) -> User:
    """The superuser of `admin_client`, without a password, because hashing one is slow."""
    return User.objects.create_superuser("admin")


@pytest.fixture
def operator(db: None) -> User:
    user = User.objects.create_user("mkoch", email="m@example.org")
    user.groups.set([Group.objects.get(name=Role.OPERATOR)])
    return user


def opened(client: Client, path: str, form_id: str) -> dict[str, str]:
    return form_on(client.get(path).text, form_id)


def test_a_role_that_was_taken_away_meanwhile_is_not_given_back_unknowingly(
    admin_client: Client, operator: User
) -> None:
    path = f"/admin/auth/user/{operator.pk}/change/"
    mine, theirs = opened(admin_client, path, "user_form"), opened(admin_client, path, "user_form")
    theirs.pop("groups")
    assert admin_client.post(path, theirs).status_code == 302

    refused = admin_client.post(path, {**mine, "email": "mk@example.org"})

    assert "Meanwhile this became (admin at " in unescape(refused.text)
    assert "UTC): Groups: none." in refused.text
    operator.refresh_from_db()
    assert (operator.email, list(operator.groups.all())) == ("m@example.org", [])
    assert admin_client.post(path, {**form_on(refused.text, "user_form"), "groups": mine["groups"]}).status_code == 302
    assert operator.groups.get().name == Role.OPERATOR


def test_a_login_meanwhile_is_no_change(admin_client: Client, operator: User) -> None:
    path = f"/admin/auth/user/{operator.pk}/change/"
    mine = opened(admin_client, path, "user_form")
    Client().force_login(operator)

    assert admin_client.post(path, {**mine, "email": "mk@example.org"}).status_code == 302


def test_a_permission_that_a_group_got_meanwhile_is_told(admin_client: Client) -> None:
    group = Group.objects.create(name="theatre")
    path = f"/admin/auth/group/{group.pk}/change/"
    mine = opened(admin_client, path, "group_form")
    group.permissions.set(Group.objects.get(name=Role.VIEWER).permissions.all())

    refused = admin_client.post(path, {**mine, "name": "theatre 4"})

    assert "Permissions: Procedures | procedure | Can view procedure" in refused.text
    assert group.permissions.exists()
