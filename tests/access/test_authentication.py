"""Bearer tokens over HTTP."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from redis import Redis

from access.actions import issue_token, revoke_token
from access.models import ApiToken
from access.roles import Role
from tests.conftest import ApiClient


@pytest.fixture
def mkoch(person: Callable[[Role], User], redis: Redis) -> User:
    return person(Role.VIEWER)


def status_of(secret: str, scheme: str = "Bearer") -> int:
    answer = ApiClient(None).get("/procedures", headers={"Authorization": f"{scheme} {secret}"})
    return int(answer.status_code)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_valid_token_is_accepted_in_any_spelling_of_the_scheme(mkoch: User, scheme: str) -> None:
    secret = issue_token(user=mkoch, name="tablet")

    assert status_of(secret, scheme) == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer prc_" + "x" * 10_000,
        "Bearer \x00",
        "Bearer gr\xf6\xdfe",
        "Basic bWtvY2g6eA==",
        "Token wrong",
        "prc_wrong",
        "",
    ],
)
def test_any_other_header_is_401_with_a_challenge(anonymous: ApiClient, header: str) -> None:
    answer = anonymous.get("/procedures", headers={"Authorization": header})

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/unauthenticated"


def test_no_header_is_401(anonymous: ApiClient) -> None:
    answer = anonymous.get("/runs")

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"


def test_wrong_expired_revoked_and_orphaned_tokens_get_the_same_answer(mkoch: User) -> None:
    now = timezone.now()
    expired = issue_token(user=mkoch, name="old", expires_at=now - timedelta(seconds=1))
    revoked = issue_token(user=mkoch, name="lost")
    revoke_token(token=ApiToken.objects.get(name="lost"), now=now)
    orphaned = issue_token(user=User.objects.create_user("gone", is_active=False), name="gone")

    answers = [ApiClient(secret).get("/procedures").json() for secret in ("prc_wrong", expired, revoked, orphaned)]
    bodies = [{**answer, "request_id": ""} for answer in answers]

    assert bodies == [bodies[0]] * 4
    assert bodies[0]["detail"] == "The token is unknown, expired or revoked."


def test_a_digest_is_not_a_token(mkoch: User) -> None:
    issue_token(user=mkoch, name="tablet")

    assert status_of(ApiToken.objects.get().digest) == 401


def test_a_session_of_the_admin_does_not_open_the_api(admin_client: ApiClient, redis: Redis) -> None:
    assert admin_client.get("/procedures").status_code == 401


def test_a_token_in_the_query_is_not_read(mkoch: User) -> None:
    secret = issue_token(user=mkoch, name="tablet")

    assert ApiClient(None).get(f"/procedures?access_token={secret}").status_code == 401


@pytest.mark.parametrize(
    "path", ["/procedures", "/procedures/gibson", "/runs", "/runs/019aa7f2-6c1e-7d3a-9b1f-2f5e8f0a1c11"]
)
def test_without_a_token_nobody_learns_whether_something_exists(anonymous: ApiClient, path: str) -> None:
    assert anonymous.get(path).status_code == 401
