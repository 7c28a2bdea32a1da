"""Issuing tokens on the command line."""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from access.models import ApiToken

pytestmark = pytest.mark.django_db


def test_create_token_prints_a_token_of_the_user() -> None:
    user = User.objects.create_user("mkoch")
    output = StringIO()

    call_command("create_token", "mkoch", "--name", "theatre 4", stdout=output)

    token = ApiToken.objects.with_secret(output.getvalue().strip()).get()
    assert (token.user, token.name, token.expires_at) == (user, "theatre 4", None)


def test_create_token_refuses_an_unknown_user() -> None:
    with pytest.raises(CommandError, match="There is no user named 'nobody'"):
        call_command("create_token", "nobody", "--name", "theatre 4")

    assert not ApiToken.objects.exists()


def test_create_token_requires_a_name() -> None:
    User.objects.create_user("mkoch")

    with pytest.raises(CommandError, match="--name"):
        call_command("create_token", "mkoch")


@pytest.mark.parametrize("name", ["", "\u3164", "x" * 101])
def test_create_token_refuses_a_name_that_says_nothing_or_too_much(name: str) -> None:
    User.objects.create_user("mkoch")

    with pytest.raises(CommandError, match=r"^--name: "):
        call_command("create_token", "mkoch", "--name", name)

    assert not ApiToken.objects.exists()
