"""When a token was last used: noted by requests, written by nobody who waits."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from access import authentication
from access.actions import issue_token
from access.models import ApiToken
from access.roles import Role
from access.token_uses import PRECISION, TokenUses
from tests.conftest import ApiClient


@pytest.fixture
def uses(monkeypatch: pytest.MonkeyPatch) -> TokenUses:
    """What a process has noted: nothing yet."""
    uses = TokenUses()
    monkeypatch.setattr(authentication, "token_uses", uses)
    return uses


@pytest.fixture
def token(person: Callable[[Role], User]) -> ApiToken:
    issue_token(user=person(Role.VIEWER), name="tablet")
    return ApiToken.objects.get(name="tablet")


def last_use() -> Any:
    return ApiToken.objects.get().last_used_at


def test_a_use_is_written_to_the_minute(viewer: ApiClient, uses: TokenUses) -> None:
    before = timezone.now()

    viewer.get("/runs")
    assert last_use() is None
    uses.write()

    assert before - timedelta(minutes=1) < last_use() <= timezone.now()
    assert (last_use().second, last_use().microsecond) == (0, 0)


def test_a_request_asks_postgresql_nothing_more_for_it(
    viewer: ApiClient, uses: TokenUses, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        uses.note(ApiToken(pk=1), timezone.now())


def test_a_refused_token_was_not_used(anonymous: ApiClient, uses: TokenUses, token: ApiToken) -> None:
    ApiToken.objects.update(revoked_at=timezone.now())
    anonymous.get("/runs", headers={"Authorization": "Bearer prc_wrong"})

    uses.write()

    assert last_use() is None


def test_a_use_that_is_known_already_is_written_no_more(
    token: ApiToken, uses: TokenUses, django_assert_num_queries: Any
) -> None:
    now = timezone.now()
    token.last_used_at = now - PRECISION + timedelta(seconds=1)
    uses.note(token, now)

    with django_assert_num_queries(0):
        uses.write()


def test_a_use_that_another_process_has_written_meanwhile_is_not_written_again(
    token: ApiToken, uses: TokenUses
) -> None:
    now = timezone.now()
    uses.note(token, now + timedelta(minutes=5))
    ApiToken.objects.update(last_used_at=now)

    uses.write()

    assert last_use() == now


def test_a_database_that_takes_no_writes_costs_nothing_but_the_use(token: ApiToken, uses: TokenUses) -> None:
    now = timezone.now()
    uses.note(token, now)
    with transaction.atomic():
        connection.cursor().execute("SET LOCAL transaction_read_only = on")
        with transaction.atomic():
            uses.write()
        transaction.set_rollback(True)
    assert last_use() is None

    uses.note(token, now)
    uses.write()

    assert last_use() is not None


def test_what_is_noted_is_bounded(uses: TokenUses, monkeypatch: pytest.MonkeyPatch, token: ApiToken) -> None:
    monkeypatch.setattr("access.token_uses.MAX_NOTED", 1)
    uses.note(ApiToken(pk=token.pk + 1), timezone.now())
    uses.note(token, timezone.now())

    uses.write()

    assert last_use() is None
