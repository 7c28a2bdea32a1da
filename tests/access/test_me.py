"""Who sends a request, what they may do, and how often."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User

from access.actions import issue_token
from access.policies import READS
from access.rights import Right
from access.roles import Role
from rest.rate_limits import Policy
from tests.conftest import ApiClient

RIGHTS = {
    Role.VIEWER: {"read_procedures", "read_runs"},
    Role.OPERATOR: {"read_procedures", "read_runs", "execute_runs"},
    Role.SUPERVISOR: {"read_procedures", "read_runs", "execute_runs", "abort_runs", "amend_completed_runs"},
}


def me(client: ApiClient) -> Any:
    answer = client.get("/me")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("role", RIGHTS)
def test_each_role_has_its_rights(client_of: Callable[[Role], ApiClient], role: Role) -> None:
    shown = me(client_of(role))

    assert shown["roles"] == [role]
    assert {name for name, is_held in shown["rights"].items() if is_held} == RIGHTS[role]
    assert shown["rights"].keys() == {right.name.lower() for right in Right}


def test_a_person_is_shown_by_name(person: Callable[[Role], User], redis: object) -> None:
    user = person(Role.VIEWER)
    user.first_name, user.last_name = "Ada", "Lovelace"
    user.save()
    expiry = datetime(2999, 1, 1, tzinfo=UTC)

    shown = me(ApiClient(issue_token(user=user, name="wall", expires_at=expiry)))

    assert (shown["id"], shown["username"], shown["name"]) == (user.pk, user.username, "Ada Lovelace")
    assert shown["token"] == {"name": "wall", "expires_at": "2999-01-01T00:00:00.000Z"}


def test_whoever_has_no_right_may_still_ask(db: None, redis: object) -> None:
    shown = me(ApiClient(issue_token(user=User.objects.create_user("stranger"), name="test")))

    assert shown["roles"] == []
    assert not any(shown["rights"].values())


def test_a_quota_is_shown_where_there_is_one(viewer: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert me(viewer)["quota"] == {"reads_per_minute": None, "writes_per_minute": None}

    monkeypatch.setattr("access.serializers.READS", Policy(READS.name, 600))

    assert me(viewer)["quota"]["reads_per_minute"] == 600


def test_nobody_is_nobody(anonymous: ApiClient) -> None:
    answer = anonymous.get("/me")

    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthenticated")


def test_only_reading_is_possible(viewer: ApiClient) -> None:
    assert viewer.post("/me").status_code == 405
    assert viewer.get("/me?verbose=1").status_code == 400
