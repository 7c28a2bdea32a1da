"""The bearers that a process remembers for a few seconds."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from access import authentication as module
from access.actions import issue_token, revoke_token
from access.authentication import BEARER_TTL_SECONDS, Bearers
from access.models import ApiToken
from access.rights import Right
from access.roles import Role
from rest import timestamps
from tests.access.clock import Clock
from tests.conftest import ApiClient


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bearers(clock: Clock) -> Bearers:
    return Bearers(clock)


@pytest.fixture
def mkoch(person: Callable[[Role], User]) -> User:
    return person(Role.VIEWER)


@pytest.fixture
def header(mkoch: User) -> str:
    return "Bearer " + issue_token(user=mkoch, name="tablet")


def test_a_remembered_bearer_is_known_without_asking(
    bearers: Bearers, header: str, django_assert_num_queries: Any
) -> None:
    bearers.recent(header)

    with django_assert_num_queries(0):
        bearer = bearers.recent(header)
        assert bearer is not None
        assert Right.READ_RUNS in bearer.rights
        assert bearer.user.has_perm(Right.READ_RUNS)
        assert Right.EXECUTE_RUNS not in bearer.rights


def test_a_stranger_is_never_remembered(bearers: Bearers, mkoch: User, django_assert_num_queries: Any) -> None:
    assert bearers.recent("Bearer prc_wrong") is None

    with django_assert_num_queries(1):
        assert bearers.recent("Bearer prc_wrong") is None


def test_an_unseen_bearer_is_not_remembered(bearers: Bearers, header: str) -> None:
    assert bearers.remembered(header) is None


def test_a_token_is_not_remembered_beyond_its_own_expiry(bearers: Bearers, mkoch: User, clock: Clock) -> None:
    expires_at = timestamps.now() + timedelta(seconds=BEARER_TTL_SECONDS - 1)
    header = "Bearer " + issue_token(user=mkoch, name="short", expires_at=expires_at)

    assert bearers.recent(header) is not None
    clock.ahead = BEARER_TTL_SECONDS - 1
    assert bearers.remembered(header) is None


def revoke(user: User) -> None:
    revoke_token(token=ApiToken.objects.get(user=user), now=timezone.now())


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


@pytest.mark.parametrize("change", [revoke, deactivate])
def test_the_end_of_a_token_takes_effect_after_five_seconds_at_the_latest(
    bearers: Bearers, clock: Clock, header: str, mkoch: User, change: Callable[[User], None]
) -> None:
    bearers.recent(header)
    change(mkoch)

    assert bearers.recent(header) is not None
    clock.ahead = BEARER_TTL_SECONDS
    assert bearers.recent(header) is None


def test_a_change_of_groups_takes_effect_after_five_seconds_at_the_latest(
    bearers: Bearers, clock: Clock, header: str, mkoch: User
) -> None:
    bearers.recent(header)
    mkoch.groups.set([Group.objects.get_or_create(name=Role.OPERATOR)[0]])

    clock.ahead = BEARER_TTL_SECONDS
    bearer = bearers.recent(header)

    assert bearer is not None
    assert Right.EXECUTE_RUNS in bearer.rights


def test_the_memory_is_bounded(
    bearers: Bearers, header: str, mkoch: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(module, "MAX_BEARERS", 3)
    bearers = Bearers()
    headers = ["Bearer " + issue_token(user=mkoch, name=f"tablet {number}") for number in range(5)]

    for each in headers:
        bearers.recent(each)

    known = [bearers.remembered(each) for each in headers]
    assert sum(bearer is not None for bearer in known) == 3


def test_a_revoked_token_writes_nothing_from_then_on(operator: ApiClient) -> None:
    assert operator.get("/runs").status_code == 200

    revoke_token(token=ApiToken.objects.get(), now=timezone.now())

    assert operator.get("/runs").status_code == 200  # for five seconds at most
    assert operator.post("/runs", {"procedure": "gibson"}).status_code == 401
