"""API tokens: what is stored of them, and when they are valid."""

import hashlib
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from access.actions import issue_token, revoke_token
from access.models import ApiToken, new_secret
from rest import timestamps

pytestmark = pytest.mark.django_db


@pytest.fixture
def mkoch() -> User:
    return User.objects.create_user("mkoch")


def is_valid(secret: str) -> bool:
    return ApiToken.objects.with_secret(secret).valid().exists()


def test_a_secret_is_long_and_recognisable_as_a_leak() -> None:
    secret = new_secret()

    assert secret.startswith("prc_")
    assert len(secret) >= len("prc_") + 43  # 256 bits in base64


def test_no_two_secrets_are_equal() -> None:
    assert new_secret() != new_secret()


def test_only_a_digest_and_the_beginning_of_a_secret_are_stored(mkoch: User) -> None:
    secret = issue_token(user=mkoch, name="tablet")

    (stored,) = ApiToken.objects.values()
    assert stored["digest"] == hashlib.sha256(secret.encode()).hexdigest()
    assert stored["beginning"] == secret[:12]
    assert secret not in map(str, stored.values())


def test_an_issued_token_is_valid_until_it_is_revoked(mkoch: User) -> None:
    secret = issue_token(user=mkoch, name="tablet")
    assert is_valid(secret)

    revoke_token(token=ApiToken.objects.get(), now=timezone.now())

    assert not is_valid(secret)


def test_revoking_again_keeps_the_first_instant(mkoch: User) -> None:
    issue_token(user=mkoch, name="tablet")
    token = ApiToken.objects.get()
    revoke_token(token=token, now=timezone.now())
    first_instant = token.revoked_at

    revoke_token(token=token, now=timezone.now() + timedelta(days=1))

    token.refresh_from_db()
    assert token.revoked_at == first_instant


@pytest.mark.parametrize(("left", "expected"), [(timedelta(minutes=1), True), (timedelta(0), False)])
def test_a_token_ends_at_the_instant_of_its_expiry(mkoch: User, left: timedelta, expected: bool) -> None:
    assert is_valid(issue_token(user=mkoch, name="tablet", expires_at=timestamps.now() + left)) is expected


def test_postgresql_says_when_a_token_was_issued(mkoch: User) -> None:
    before = timestamps.now()
    issue_token(user=mkoch, name="tablet")

    assert before <= ApiToken.objects.get().created_at <= timezone.now()


def test_a_token_of_an_inactive_user_is_not_valid(mkoch: User) -> None:
    secret = issue_token(user=mkoch, name="tablet")

    mkoch.is_active = False
    mkoch.save()

    assert not is_valid(secret)


def test_a_digest_belongs_to_one_token(mkoch: User) -> None:
    secret = issue_token(user=mkoch, name="tablet")
    twin = ApiToken(user=mkoch, name="twin")
    twin.assign(secret)

    with pytest.raises(IntegrityError, match="digest"), transaction.atomic():
        twin.save()


def test_a_user_with_tokens_cannot_be_deleted(mkoch: User) -> None:
    issue_token(user=mkoch, name="tablet")

    with pytest.raises(ProtectedError):
        mkoch.delete()


def test_a_token_is_shown_by_its_beginning_and_name(mkoch: User) -> None:
    secret = issue_token(user=mkoch, name="tablet")

    assert str(ApiToken.objects.get()) == f"{secret[:12]}… (tablet)"
