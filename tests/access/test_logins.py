"""Failed logins: how they are counted, logged and answered, who is locked out, and how to unlock them."""

from collections.abc import Callable, MutableMapping
from datetime import timedelta
from io import StringIO
from ipaddress import ip_network
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import REGISTRY
from redis import Redis
from structlog.testing import capture_logs

from access.logins import MAX_NAME_LENGTH
from access.roles import Role
from tests.access.login_form import LOGIN, log_in

pytestmark = pytest.mark.django_db

PASSWORD = "a long secret"
LIMIT = 5
HERE, ELSEWHERE = "203.0.113.9", "203.0.113.10"


@pytest.fixture(autouse=True)
def mkoch() -> User:
    return User.objects.create_user("mkoch", password=PASSWORD, is_staff=True)


def fail(client: Client, times: int = LIMIT, name: str = "mkoch", address: str = HERE) -> list[int]:
    """Log in with a wrong password that many times, and return the statuses."""
    return [log_in(client, name, REMOTE_ADDR=address).status_code for _ in range(times)]


def logged(client: Client, *arguments: Any, **options: Any) -> list[MutableMapping[str, Any]]:
    """Log in, and return what is logged about it, without the request's own line."""
    with capture_logs() as events:
        log_in(client, *arguments, **options)
    return [event for event in events if event["event"] != "request_finished"]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"backend_{name}_total", labels) or 0.0


def test_the_form_reports_a_wrong_password(client: Client) -> None:
    answer = log_in(client, "mkoch")

    assert answer.status_code == 200
    assert "Please enter the correct username and password" in answer.content.decode()


@pytest.mark.parametrize("name", ["mkoch", "nobody", "longer than any" * 4_000])
def test_too_many_failed_logins_lock_a_name_out_and_the_page_says_until_when(client: Client, name: str) -> None:
    assert fail(client, LIMIT - 1, name) == [200] * (LIMIT - 1)

    answer = log_in(client, name, REMOTE_ADDR=HERE)

    page = answer.content.decode()
    assert answer.status_code == 429
    assert answer["Content-Type"].startswith("text/html")
    assert 14 * 60 < int(answer["Retry-After"]) <= 15 * 60
    assert "Too many logins with this name failed" in page
    assert "Try again in 15 minutes, or ask an administrator to unlock you." in page
    assert name not in page


def test_a_locked_out_name_is_refused_even_with_the_right_password(client: Client) -> None:
    fail(client)

    assert log_in(client, "mkoch", PASSWORD, REMOTE_ADDR=HERE).status_code == 429
    assert client.get("/admin/").status_code == 302


def test_others_at_the_same_address_and_the_same_name_elsewhere_are_not_locked_out(client: Client) -> None:
    User.objects.create_user("other", password=PASSWORD, is_staff=True)
    fail(client)

    assert log_in(client, "other", PASSWORD, REMOTE_ADDR=HERE).status_code == 302
    assert log_in(Client(), "mkoch", PASSWORD, REMOTE_ADDR=ELSEWHERE).status_code == 302


def test_another_user_agent_does_not_get_around_the_lockout(client: Client) -> None:
    statuses = [
        log_in(client, "mkoch", REMOTE_ADDR=HERE, headers={"User-Agent": f"agent {number}"}).status_code
        for number in range(LIMIT)
    ]

    assert statuses[-1] == 429


def test_another_address_of_the_same_ipv6_network_does_not_get_around_the_lockout(client: Client) -> None:
    statuses = [fail(client, 1, address=f"2001:db8::{number}") for number in range(LIMIT)]

    assert statuses[-1] == [429]


def test_a_header_does_not_get_around_the_lockout(client: Client) -> None:
    statuses = [
        log_in(client, "mkoch", REMOTE_ADDR=HERE, headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
        for number in range(LIMIT)
    ]

    assert statuses[-1] == 429


def test_behind_a_trusted_proxy_the_clients_are_distinguished(client: Client, settings: Any) -> None:
    settings.TRUSTED_NETWORKS = [ip_network("10.0.0.7")]
    for _ in range(LIMIT):
        log_in(client, "mkoch", REMOTE_ADDR="10.0.0.7", headers={"X-Forwarded-For": HERE})

    answer = log_in(client, "mkoch", PASSWORD, REMOTE_ADDR="10.0.0.7", headers={"X-Forwarded-For": ELSEWHERE})

    assert answer.status_code == 302


def test_a_successful_login_resets_the_count(client: Client) -> None:
    fail(client, LIMIT - 1)
    log_in(client, "mkoch", PASSWORD, REMOTE_ADDR=HERE)

    assert fail(client, LIMIT - 1) == [200] * (LIMIT - 1)


def test_the_lockout_ends_by_itself(client: Client) -> None:
    fail(client)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=14, seconds=30))
    soon = log_in(client, "mkoch", PASSWORD, REMOTE_ADDR=HERE)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=15))
    later = log_in(client, "mkoch", PASSWORD, REMOTE_ADDR=HERE)

    assert (soon.status_code, later.status_code) == (429, 302)
    assert 0 < int(soon["Retry-After"]) <= 30
    assert "Try again in 1 minute, or" in soon.content.decode()


def test_logins_during_a_lockout_do_not_prolong_it_and_write_nothing_to_postgresql(
    client: Client, django_assert_num_queries: Any
) -> None:
    fail(client)
    before = AccessAttempt.objects.values().get()

    with django_assert_num_queries(3) as asked:
        log_in(client, "mkoch", REMOTE_ADDR=HERE)

    assert AccessAttempt.objects.values().get() == before
    assert [query["sql"].split()[0] for query in asked.captured_queries] == ["SELECT"] * 3


COMMANDS = {
    "axes_reset_username": ["mkoch"],
    "axes_reset_ip": [HERE],
    "axes_reset_ip_username": [HERE, "mkoch"],
    "axes_reset": [],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_unlocks(client: Client, command: str) -> None:
    fail(client)
    output = StringIO()

    call_command(command, *COMMANDS[command], stdout=output)

    assert output.getvalue() == "1 attempts removed.\n"
    assert log_in(client, "mkoch", PASSWORD, REMOTE_ADDR=HERE).status_code == 302


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("axes_reset_ip", ["x"]),
        ("axes_reset_ip", [""]),
        ("axes_reset_username", [""]),
        ("axes_reset_ip_username", ["x", "mkoch"]),
        ("axes_reset_ip_username", [HERE, ""]),
    ],
)
def test_a_command_that_names_nobody_unlocks_nobody(client: Client, command: str, arguments: list[str]) -> None:
    fail(client)

    with pytest.raises(CommandError):
        call_command(command, *arguments)

    assert AccessAttempt.objects.exists()


def test_a_command_unlocks_the_network_that_attempts_are_counted_by(client: Client) -> None:
    fail(client, address="2001:db8::17")

    call_command("axes_reset_ip", "2001:db8::18", stdout=StringIO())

    assert not AccessAttempt.objects.exists()


def test_a_command_shows_who_failed(client: Client) -> None:
    fail(client, 2)
    output = StringIO()

    call_command("axes_list_attempts", stdout=output)

    assert output.getvalue() == f"{HERE}\tmkoch\t2\n"


def test_a_superuser_unlocks_in_the_admin(client: Client, admin_client: Client) -> None:
    fail(client)
    attempt = AccessAttempt.objects.get()

    page = admin_client.get("/admin/axes/accessattempt/").content.decode()
    admin_client.post(f"/admin/axes/accessattempt/{attempt.pk}/delete/", {"post": "yes"})

    assert "mkoch" in page
    assert HERE in page
    assert log_in(client, "mkoch", PASSWORD, REMOTE_ADDR=HERE).status_code == 302


def test_a_failed_login_is_one_warning_in_the_log(client: Client) -> None:
    assert logged(client, "mkoch", "prc_secret", REMOTE_ADDR=HERE) == [
        {
            "event": "login_failed",
            "log_level": "warning",
            "username": "mkoch",
            "client_address": HERE,
            "reason": "credentials",
            "is_locked_out": False,
        }
    ]


def test_axes_writes_no_second_line(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    fail(client, LIMIT + 1)

    assert not [record for record in caplog.records if record.name.startswith("axes")]


def test_the_log_says_when_a_login_locks_a_name_out_and_when_it_is_locked_out(client: Client) -> None:
    fail(client, LIMIT - 1)

    fifth, lockout = logged(client, "mkoch", REMOTE_ADDR=HERE)
    (sixth,) = logged(client, "mkoch", REMOTE_ADDR=HERE)

    assert (fifth["reason"], fifth["is_locked_out"]) == ("credentials", True)
    assert lockout == {
        "event": "name_locked_out",
        "log_level": "warning",
        "username": "mkoch",
        "client_address": HERE,
        "minutes": 15,
    }
    assert (sixth["reason"], sixth["is_locked_out"]) == ("locked_out", True)


def test_a_lockout_is_in_the_persons_history_once_for_those_who_manage_people(
    client: Client, mkoch: User, person: Callable[[Role], User]
) -> None:
    fail(client, LIMIT + 2)
    manager = person(Role.ADMIN)
    manager.is_staff = True
    manager.save()
    client.force_login(manager)

    page = client.get(f"/admin/auth/user/{mkoch.pk}/history/").text

    assert page.count(f"Locked out at {HERE} for 15 minutes: 5 logins failed.") == 1
    assert "(system)" in page


def test_a_lockout_of_a_name_that_nobody_has_is_in_no_history(client: Client) -> None:
    fail(client, name="nobody")

    assert not LogEntry.objects.exists()


def test_a_long_name_is_truncated_in_the_log(client: Client) -> None:
    (event,) = logged(client, "x" * 150)

    assert event["username"] == "x" * MAX_NAME_LENGTH


def test_no_secret_is_stored_with_a_failed_login(client: Client) -> None:
    form = {"username": "mkoch", "password": "a secret slip", "csrfmiddlewaretoken": "a secret slip", "next": "/admin/"}

    client.post(LOGIN, form)

    stored = str(AccessAttempt.objects.values().get())
    assert "next=/admin/" in stored
    assert "slip" not in stored


@pytest.mark.parametrize("name", ["", "x" * 151, "a\x00b", "a\udcff"])
def test_the_form_reports_a_name_that_nobody_can_have(client: Client, name: str) -> None:
    assert log_in(client, name.encode("utf-8", "surrogateescape")).status_code == 200  # type: ignore[arg-type]


def test_failed_logins_and_lockouts_are_counted(client: Client) -> None:
    def counts() -> list[float]:
        reasons = [counted("logins_failed", reason=reason) for reason in ("credentials", "locked_out")]
        return [*reasons, counted("lockouts")]

    before = counts()

    fail(client, LIMIT + 2)

    assert [after - earlier for after, earlier in zip(counts(), before, strict=True)] == [LIMIT, 2, 1]


def test_every_series_exists_from_the_start() -> None:
    for name, label, values in [
        ("logins_failed", "reason", ["credentials", "locked_out"]),
        ("requests_limited", "policy", ["reads", "writes", "wrong-tokens"]),
    ]:
        for value in values:
            assert REGISTRY.get_sample_value(f"backend_{name}_total", {label: value}) is not None
    for name in ("lockouts", "password_hashings_refused"):
        assert REGISTRY.get_sample_value(f"backend_{name}_total") is not None


def test_the_login_page_is_shown_during_a_lockout(client: Client) -> None:
    fail(client)

    assert client.get(LOGIN, REMOTE_ADDR=HERE).status_code == 200


def test_a_request_with_a_token_reads_nothing_about_logins(viewer: Client, redis: Redis) -> None:
    with CaptureQueriesContext(connection) as asked:
        assert viewer.get("/runs").status_code == 200
        assert viewer.post("/runs", {"procedure": "unheard-of"}).status_code == 403

    assert not [query["sql"] for query in asked if "axes_" in query["sql"]]
