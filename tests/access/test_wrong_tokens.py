"""Wrong tokens: if an address sends many, they are refused without PostgreSQL, and valid tokens never are."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import REGISTRY

from access import authentication as module
from access import wrong_tokens
from access.actions import issue_token, revoke_token
from access.authentication import BEARER_TTL_SECONDS, Bearers
from access.models import ApiToken
from access.roles import Role
from access.wrong_tokens import COPY_SECONDS, WrongTokens
from rest.rate_limits import Policy
from tests.access.clock import Clock
from tests.conftest import ApiClient

QUOTA = 3
BAD_HOUSE, GOOD_HOUSE = "203.0.113.9", "203.0.113.10"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """A process that remembers nobody, and lets an address send only a few wrong tokens."""
    monkeypatch.setattr(module, "bearers", Bearers(clock))
    monkeypatch.setattr(module, "wrong_tokens", WrongTokens(Policy("wrong-tokens", QUOTA), clock))


@pytest.fixture
def mkoch(person: Callable[[Role], User], redis: object) -> User:
    return person(Role.OPERATOR)


def read(secret: str, address: str = BAD_HOUSE) -> Any:
    return ApiClient(secret).get("/runs", REMOTE_ADDR=address)


def write(secret: str, address: str = BAD_HOUSE) -> Any:
    return ApiClient(secret).post("/runs", {"procedure": "unheard-of"}, REMOTE_ADDR=address)


def send_wrong_tokens(times: int = QUOTA) -> list[int]:
    """Send that many different wrong tokens from the bad house, and return the statuses."""
    return [read(f"prc_guess{number}").status_code for number in range(times)]


@pytest.mark.parametrize("ask", [read, write])
def test_too_many_wrong_tokens_are_answered_429_with_when_to_try_again(mkoch: User, ask: Callable[..., Any]) -> None:
    assert [ask(f"prc_guess{number}").status_code for number in range(QUOTA)] == [401] * QUOTA

    answer = ask("prc_guess")

    assert answer.status_code == 429
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/too-many-requests"
    assert 50 < int(answer["Retry-After"]) <= 60
    assert answer["RateLimit-Policy"] == '"wrong-tokens";q=3;w=60'
    assert answer["RateLimit"] == f'"wrong-tokens";r=0;t={answer["Retry-After"]}'


def test_postgresql_is_asked_about_none_of_them(mkoch: User) -> None:
    send_wrong_tokens(QUOTA + 1)

    with CaptureQueriesContext(connection) as asked:
        assert set(send_wrong_tokens(10)) == {429}

    assert len(asked) == 0


def test_a_repeated_wrong_token_counts_every_time(mkoch: User) -> None:
    assert [read("prc_old").status_code for _ in range(QUOTA + 1)] == [401] * QUOTA + [429]


def test_a_request_without_a_token_does_not_count(anonymous: ApiClient) -> None:
    assert {anonymous.get("/runs", REMOTE_ADDR=BAD_HOUSE).status_code for _ in range(QUOTA + 5)} == {401}


def test_other_addresses_are_not_affected(mkoch: User) -> None:
    send_wrong_tokens(QUOTA + 1)

    assert read("prc_wrong", GOOD_HOUSE).status_code == 401


@pytest.mark.parametrize("ask", [read, write])
def test_a_valid_token_is_never_refused_even_if_the_process_has_not_seen_it(
    mkoch: User, ask: Callable[..., Any]
) -> None:
    secret = issue_token(user=mkoch, name="tablet")
    send_wrong_tokens(QUOTA + 1)

    assert [ask(secret).status_code < 429 for _ in range(QUOTA + 5)] == [True] * (QUOTA + 5)
    assert read("prc_wrong").status_code == 429


def test_a_remembered_bearer_is_let_in_without_asking(mkoch: User) -> None:
    secret = issue_token(user=mkoch, name="tablet")
    read(secret)
    send_wrong_tokens(QUOTA + 1)

    with CaptureQueriesContext(connection) as asked:
        assert ApiClient(secret).get("/procedures/unheard-of", REMOTE_ADDR=BAD_HOUSE).status_code == 404

    assert not [query["sql"] for query in asked if "access_apitoken" in query["sql"]]


def test_a_remembered_bearer_is_let_in_even_if_the_token_is_newer_than_the_copy(mkoch: User) -> None:
    send_wrong_tokens(QUOTA + 1)
    secret = issue_token(user=mkoch, name="tablet")
    read(secret, GOOD_HOUSE)

    assert read(secret, BAD_HOUSE).status_code == 200


def test_a_fresh_token_is_let_in_after_five_seconds_at_the_latest(mkoch: User, clock: Clock) -> None:
    send_wrong_tokens(QUOTA + 1)
    secret = issue_token(user=mkoch, name="tablet")

    assert read(secret).status_code == 429
    clock.ahead = COPY_SECONDS
    assert read(secret).status_code == 200


@pytest.mark.parametrize("end", ["expire", "revoke", "deactivate"])
def test_a_token_that_is_no_longer_valid_is_a_wrong_one(mkoch: User, clock: Clock, end: str) -> None:
    now = timezone.now()
    secret = issue_token(user=mkoch, name="old", expires_at=now if end == "expire" else now + timedelta(days=1))
    if end == "revoke":
        revoke_token(token=ApiToken.objects.get(), now=now)
    if end == "deactivate":
        User.objects.update(is_active=False)
    clock.ahead = BEARER_TTL_SECONDS

    send_wrong_tokens()

    assert read(secret).status_code == 429


def test_an_address_may_send_wrong_tokens_again_when_the_window_ends(mkoch: User, clock: Clock) -> None:
    send_wrong_tokens(QUOTA + 1)

    clock.ahead = 60

    assert send_wrong_tokens(QUOTA + 1) == [401] * QUOTA + [429]


def test_with_more_tokens_than_the_copy_takes_postgresql_is_asked(mkoch: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_tokens, "MAX_COPIED", 1)
    for number in range(3):
        issue_token(user=mkoch, name=f"tablet {number}")

    assert send_wrong_tokens(QUOTA + 3) == [401] * (QUOTA + 3)


def test_a_quota_of_zero_means_no_limit(mkoch: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "wrong_tokens", WrongTokens(Policy("wrong-tokens", 0)))

    assert set(send_wrong_tokens(100)) == {401}


def test_what_is_refused_is_counted(mkoch: User) -> None:
    labels = {"policy": "wrong-tokens"}
    before = REGISTRY.get_sample_value("backend_requests_limited_total", labels) or 0

    send_wrong_tokens(QUOTA + 2)

    assert REGISTRY.get_sample_value("backend_requests_limited_total", labels) == before + 2
