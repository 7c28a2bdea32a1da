"""Nobody reaches, in the admin, rights that they do not have themselves; over HTTP."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from access.actions import issue_token
from access.models import ApiToken
from access.roles import Role

TOKENS = "/admin/access/apitoken/"
PEOPLE = "/admin/auth/user/"
GROUPS = "/admin/auth/group/"
JOINED = {"date_joined_0": "2026-11-23", "date_joined_1": "09:00:00"}


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root-of-all")


@pytest.fixture
def unlockers(db: None) -> Group:
    """A group with a permission that the role `admin` lacks."""
    group = Group.objects.create(name="key-holders")
    group.permissions.add(Permission.objects.get(codename="delete_accessattempt"))
    return group


@pytest.fixture
def unlocker(unlockers: Group) -> User:
    """A person who is not a superuser, and has a permission that the role `admin` lacks."""
    user = User.objects.create_user("unlocker")
    user.groups.add(unlockers)
    return user


def token_of(user: User) -> ApiToken:
    issue_token(user=user, name=f"device of {user}")
    return ApiToken.objects.get(user=user)


@pytest.fixture(params=["root", "unlocker"])
def above(request: pytest.FixtureRequest) -> User:
    """Somebody who may do what the role `admin` may not."""
    user: User = request.getfixturevalue(request.param)
    return user


@pytest.mark.parametrize("query", ["", "?q=device", "?user__id__exact={pk}", "?revoked_at__isnull=True"])
def test_tokens_of_people_out_of_reach_are_in_no_list(client: Client, manager: User, above: User, query: str) -> None:
    token_of(above)
    token_of(manager)

    page = client.get(TOKENS + query.format(pk=above.pk)).text

    assert above.username not in page


def test_the_filter_by_user_names_those_within_reach(
    client: Client, manager: User, person: Callable[..., User]
) -> None:
    for somebody in (manager, person(Role.OPERATOR)):
        token_of(somebody)

    page = client.get(TOKENS).text

    assert f"user__id__exact={manager.pk}" in page


@pytest.mark.parametrize("page", ["change/", "history/", "delete/"])
def test_a_token_of_somebody_out_of_reach_has_no_pages(client: Client, manager: User, above: User, page: str) -> None:
    answer = client.get(f"{TOKENS}{token_of(above).pk}/{page}", follow=True)

    assert above.username not in answer.text


def test_a_token_of_somebody_out_of_reach_is_not_revoked(client: Client, manager: User, above: User) -> None:
    token = token_of(above)

    client.post(TOKENS, {"action": "revoke", "_selected_action": [token.pk]})
    client.post(TOKENS, {"action": "revoke", "select_across": "1", "_selected_action": [token.pk]})

    token.refresh_from_db()
    assert token.revoked_at is None


def test_no_token_is_issued_for_somebody_out_of_reach(client: Client, manager: User, above: User) -> None:
    answer = client.post(f"{TOKENS}add/", {"name": "mine", "user": above.pk})

    assert "Select a valid choice" in answer.text
    assert not ApiToken.objects.exists()


def test_people_out_of_reach_are_not_offered_for_a_token(client: Client, manager: User, above: User) -> None:
    where = "app_label=access&model_name=apitoken&field_name=user"

    answer = client.get(f"/admin/autocomplete/?term={above.username}&{where}")

    assert answer.json()["results"] == []


@pytest.mark.parametrize("page", ["change/", "password/", "delete/", "history/"])
def test_people_out_of_reach_have_no_pages(client: Client, manager: User, above: User, page: str) -> None:
    form = {"username": "taken", "password1": "a long new secret", "password2": "a long new secret", "post": "yes"}

    answers = [client.get(f"{PEOPLE}{above.pk}/{page}"), client.post(f"{PEOPLE}{above.pk}/{page}", form)]

    now = User.objects.get(pk=above.pk)
    assert {answer.status_code for answer in answers} <= {302, 404}
    assert (now.username, now.password) == (above.username, above.password)
    assert above.username not in client.get(PEOPLE).text


def test_people_out_of_reach_are_not_deleted_in_bulk(client: Client, manager: User, above: User) -> None:
    client.post(PEOPLE, {"action": "delete_selected", "_selected_action": [above.pk], "post": "yes"})

    assert User.objects.filter(pk=above.pk).exists()


def test_nobody_joins_a_group_with_more_permissions(client: Client, manager: User, unlockers: Group) -> None:
    form = {"username": manager.username, "is_active": "on", "is_staff": "on", "groups": [unlockers.pk], **JOINED}

    answer = client.post(f"{PEOPLE}{manager.pk}/change/", form)

    assert "is not one of the available choices" in answer.text
    assert not manager.groups.filter(pk=unlockers.pk).exists()


def test_nobody_gives_a_group_permissions_that_they_lack(client: Client, manager: User, unlockers: Group) -> None:
    unlock = Permission.objects.get(codename="delete_accessattempt")
    own = manager.groups.get()
    form = {"name": own.name, "permissions": [unlock.pk]}

    changed = client.post(f"{GROUPS}{own.pk}/change/", form)
    added = client.post(f"{GROUPS}add/", {**form, "name": "new"})

    assert {answer.status_code for answer in (changed, added)} == {200}
    assert "is not one of the available choices" in changed.text
    assert list(Group.objects.filter(permissions=unlock)) == [unlockers]


def test_a_group_with_more_permissions_is_seen_and_stays_as_it_is(
    client: Client, manager: User, unlockers: Group
) -> None:
    listed = client.get(GROUPS).text
    renamed = client.post(f"{GROUPS}{unlockers.pk}/change/", {"name": "renamed"})
    deleted = client.post(f"{GROUPS}{unlockers.pk}/delete/", {"post": "yes"})
    client.post(GROUPS, {"action": "delete_selected", "_selected_action": [unlockers.pk], "post": "yes"})

    unlockers.refresh_from_db()
    assert "key-holders" in listed
    assert (renamed.status_code, deleted.status_code, unlockers.name) == (403, 403, "key-holders")
    assert unlockers.permissions.exists()


def test_a_manager_with_few_rights_does_not_reach_those_with_more(
    client: Client, person: Callable[[Role], User]
) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client.force_login(clerk)
    beginner = User.objects.create_user("beginner")
    form = {"username": "beginner", "is_active": "on", "groups": [person(Role.ADMIN).groups.get().pk], **JOINED}

    answer = client.post(f"{PEOPLE}{beginner.pk}/change/", form)
    page = client.get(PEOPLE).text

    assert "is not one of the available choices" in answer.text
    assert "beginner" in page
    assert person(Role.ADMIN).username not in page


@pytest.mark.parametrize("role", list(Role))
def test_no_role_reaches_the_failed_logins(client: Client, person: Callable[[Role], User], role: Role) -> None:
    somebody = person(role)
    somebody.is_staff = True
    somebody.save()
    client.force_login(somebody)

    assert client.get("/admin/axes/accessattempt/").status_code == 403


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMIN])
@pytest.mark.parametrize("path", [TOKENS, PEOPLE, GROUPS, f"{TOKENS}add/", f"{PEOPLE}add/", f"{GROUPS}add/"])
def test_only_administrators_manage_people(
    client: Client, person: Callable[[Role], User], role: Role, path: str
) -> None:
    somebody = person(role)
    somebody.is_staff = True
    somebody.save()
    client.force_login(somebody)

    assert client.get(path).status_code == 403


def test_superusers_reach_everybody(admin_client: Client, above: User) -> None:
    token = token_of(above)

    page = admin_client.get(TOKENS).text
    admin_client.post(TOKENS, {"action": "revoke", "_selected_action": [token.pk]})

    token.refresh_from_db()
    assert above.username in page
    assert token.revoked_at is not None
