"""What a new password does to a person's API tokens."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from access.actions import issue_token
from access.models import ApiToken
from tests.conftest import ApiClient

OLD_PASSWORD = "an old passphrase, long enough"
NEW_PASSWORD = {"usable_password": "true", "password1": "a brand new passphrase", "password2": "a brand new passphrase"}


@pytest.fixture
def mkoch(db: None) -> User:
    return User.objects.create_user("mkoch", password=OLD_PASSWORD)


def valid_tokens(user: User) -> int:
    return ApiToken.objects.filter(user=user, revoked_at__isnull=True).count()


@pytest.mark.parametrize(("answers", "remaining"), [({}, 2), ({"revoke_tokens": "on"}, 0)])
def test_a_new_password_revokes_tokens_if_so_asked(
    admin_client: Client, mkoch: User, answers: dict[str, Any], remaining: int
) -> None:
    for name in ("tablet", "phone"):
        issue_token(user=mkoch, name=name)

    answer = admin_client.post(f"/admin/auth/user/{mkoch.pk}/password/", NEW_PASSWORD | answers)

    mkoch.refresh_from_db()
    assert answer.status_code == 302
    assert mkoch.check_password(NEW_PASSWORD["password1"])
    assert valid_tokens(mkoch) == remaining


def test_a_password_that_is_refused_revokes_nothing(admin_client: Client, mkoch: User) -> None:
    issue_token(user=mkoch, name="tablet")

    answer = admin_client.post(
        f"/admin/auth/user/{mkoch.pk}/password/", NEW_PASSWORD | {"password2": "another", "revoke_tokens": "on"}
    )

    assert answer.status_code == 200
    assert valid_tokens(mkoch) == 1


def test_the_page_says_that_tokens_outlive_a_password(admin_client: Client, mkoch: User) -> None:
    page = admin_client.get(f"/admin/auth/user/{mkoch.pk}/password/").content.decode()

    assert 'name="revoke_tokens"' in page
    assert "A new password alone leaves them valid" in page


def test_a_deactivated_person_writes_no_more_at_once(operator: ApiClient) -> None:
    assert operator.post("/runs", {"procedure": "unheard-of"}).status_code == 404

    User.objects.filter(username="test-operator").update(is_active=False)

    assert operator.post("/runs", {"procedure": "unheard-of"}).status_code == 401


def test_a_new_password_ends_the_sessions_of_its_person(mkoch: User) -> None:
    User.objects.filter(pk=mkoch.pk).update(is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(User.objects.get(pk=mkoch.pk))
    assert client.get("/admin/").status_code == 200

    mkoch.set_password("a brand new passphrase")
    mkoch.save(update_fields=["password"])

    assert client.get("/admin/").status_code == 302
