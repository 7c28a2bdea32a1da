"""Names of people, groups and tokens: what is typed in the admin, and what everybody reads."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from access.models import ApiToken
from access.names import name_of

FILLER = "\u3164"  # a Hangul letter that fonts draw as nothing, and that Django lets into usernames
JOINER = "\u200d"
PEOPLE = "/admin/auth/user/"
PASSWORDS = {"usable_password": "false", "password1": "", "password2": ""}
JOINED = {"date_joined_0": "2026-11-23", "date_joined_1": "09:00:00"}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (f"{PEOPLE}add/", {"username": FILLER, **PASSWORDS}),
        ("/admin/auth/group/add/", {"name": JOINER}),
        ("/admin/access/apitoken/add/", {"name": JOINER, "user": "1"}),
    ],
)
def test_a_name_in_which_people_see_nothing_is_refused_beside_its_field(
    admin_client: Client, admin_user: User, path: str, form: dict[str, Any]
) -> None:
    before = [model.objects.count() for model in (User, Group, ApiToken)]

    page = admin_client.post(path, {**form, "user": admin_user.pk}).text

    assert "Use at least one visible character." in page
    assert [model.objects.count() for model in (User, Group, ApiToken)] == before


@pytest.mark.parametrize("field", ["username", "first_name", "last_name"])
def test_a_person_is_not_renamed_to_nothing(admin_client: Client, admin_user: User, field: str) -> None:
    form = {"username": "admin", "is_active": "on", **JOINED, field: FILLER}

    page = admin_client.post(f"{PEOPLE}{admin_user.pk}/change/", form).text

    assert "Use at least one visible character." in page


@pytest.mark.parametrize(
    ("names", "expected"),
    [({}, "jdoe"), ({"first_name": "Jo", "last_name": "Doe"}, "Jo Doe"), ({"first_name": JOINER}, "jdoe")],
)
def test_a_person_is_named_by_a_visible_full_name_or_else_by_the_username(names: dict[str, Any], expected: str) -> None:
    assert name_of(User(username="jdoe", **names)) == expected
