"""What the history of people and tokens tells, and to whom."""

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from access import history
from access.actions import issue_token
from access.models import ApiToken
from access.roles import Role

TOKENS = "/admin/access/apitoken/"
PEOPLE = "/admin/auth/user/"


@pytest.fixture
def viewing(person: Callable[[Role], User]) -> User:
    return person(Role.VIEWER)


def test_issuing_and_revoking_are_in_the_history_of_the_token_and_of_its_user(
    admin_client: Client, viewing: User
) -> None:
    admin_client.post(f"{TOKENS}add/", {"name": "tablet", "user": viewing.pk})
    token = ApiToken.objects.get()
    for _ in range(2):  # the second time, nothing is done
        admin_client.post(TOKENS, {"action": "revoke", "_selected_action": [token.pk]})

    for page in (f"{TOKENS}{token.pk}/history/", f"{PEOPLE}{viewing.pk}/history/"):
        text = admin_client.get(page).text
        assert text.count(f"Issued the token {token}.") == 1
        assert text.count(f"Revoked the token {token}.") == 1
        assert "Added" not in text


def test_what_a_command_does_is_recorded_as_the_systems(viewing: User) -> None:
    call_command("create_token", viewing.username, name="tablet")

    assert {entry.user.username for entry in LogEntry.objects.all()} == {history.SYSTEM}


def test_nobody_logs_in_as_the_system(viewing: User) -> None:
    history.record(viewing, actor=None, what="Locked out.")

    system = User.objects.get(username=history.SYSTEM)
    assert (system.is_active, system.has_usable_password()) == (False, False)


def test_nobody_can_take_the_systems_name(admin_client: Client) -> None:
    form = {"username": history.SYSTEM, "usable_password": "false"}

    answer = admin_client.post(f"{PEOPLE}add/", form)

    assert "Enter a valid username" in answer.text


def test_whoever_has_acted_is_not_deleted(admin_client: Client, viewing: User) -> None:
    colleague = User.objects.create_user("colleague")
    history.record(viewing, actor=colleague, what="Did something.")

    answer = admin_client.post(f"{PEOPLE}{colleague.pk}/delete/", {"post": "yes"})
    admin_client.post(PEOPLE, {"action": "delete_selected", "_selected_action": [colleague.pk], "post": "yes"})

    assert answer.status_code == 403
    assert LogEntry.objects.filter(user=colleague).exists()


def test_whoever_has_done_nothing_can_be_deleted(admin_client: Client) -> None:
    colleague = User.objects.create_user("colleague")

    admin_client.post(f"{PEOPLE}{colleague.pk}/delete/", {"post": "yes"})

    assert not User.objects.filter(pk=colleague.pk).exists()


def test_an_entry_goes_with_what_it_tells(viewing: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_subjects: object, **_what: object) -> None:
        raise RuntimeError("no history")

    monkeypatch.setattr(history, "record", fail)

    with pytest.raises(RuntimeError, match="no history"):
        issue_token(user=viewing, name="tablet")
    assert not ApiToken.objects.exists()
