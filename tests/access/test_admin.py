"""Tokens in the admin, over HTTP."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from redis import Redis

from access.actions import issue_token
from access.models import ApiToken
from access.roles import Role
from tests.conftest import ApiClient

LIST = "/admin/access/apitoken/"
ADD = f"{LIST}add/"


@pytest.fixture
def admin_user(db: None) -> User:
    """The superuser of `admin_client`, without a password, since hashing one takes its time."""
    return User.objects.create_superuser("admin")


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
        ADD, {"name": "visitor", "user": viewing.pk, "expires_at_0": "2026-11-23", "expires_at_1": "09:00:00"}
    )

    expires_at = ApiToken.objects.get().expires_at
    assert expires_at is not None
    assert expires_at.isoformat() == "2026-11-23T09:00:00+00:00"


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


def test_the_admin_asks_who_one_is(client: Client, db: None) -> None:
    answer = client.get(LIST)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")
