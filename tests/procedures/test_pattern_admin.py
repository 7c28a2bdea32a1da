"""An author tries a value against a pattern, with the engine that will match operators' values."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

TRY = "/admin/procedures/revision/try-pattern/"


@pytest.mark.parametrize(
    ("pattern", "value", "verdict"),
    [
        (r"[A-Z]\d{3}", "A123", "This value fits."),
        (r"[A-Z]\d{3}", "A123 ", "This value does not fit."),
        (r"\pL+", "grün", "This value fits."),  # browsers have other patterns
        ("(", "x", "Not a valid RE2 pattern: "),
        ("(?=x)", "x", "Not a valid RE2 pattern: "),
        ("x" * 501, "x", "The pattern is too long."),
        (r"(\pL{1000}){1000}", "x", ""),
        (r"\pL*" * 40, "ü" * 100_000, "The value is too long to try."),
    ],
)
def test_the_verdict_says_whether_the_whole_value_fits(
    admin_client: Client, pattern: str, value: str, verdict: str
) -> None:
    answer = admin_client.post(TRY, {"pattern": pattern, "value": value})

    assert answer.status_code == 200
    assert answer.json()["verdict"].startswith(verdict)
    assert answer.json()["verdict"]


def test_only_staff_may_try(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("visitor"))

    assert client.post(TRY, {"pattern": "x", "value": "x"}).status_code == 302


def test_trying_takes_a_post(admin_client: Client) -> None:
    assert admin_client.get(TRY).status_code == 405
