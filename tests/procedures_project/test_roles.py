"""The groups that stand for the roles, and what each may do."""

from collections.abc import Callable
from typing import Any

import pytest
from django.apps.registry import Apps
from django.contrib.auth.models import Group, Permission

from access.rights import Right
from access.roles import Role
from procedures_project.roles import PAGES, RIGHTS, make_groups

pytestmark = pytest.mark.django_db


def rights_of(role: Role) -> set[str]:
    permissions = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    return {f"{app_label}.{codename}" for app_label, codename in permissions}


@pytest.mark.parametrize("role", list(Role))
def test_every_role_is_a_group_with_its_rights(role: Role) -> None:
    make_groups()

    assert rights_of(role) == RIGHTS[role] | PAGES[role]


def test_a_higher_role_has_the_rights_of_the_lower_ones() -> None:
    assert RIGHTS[Role.VIEWER] < RIGHTS[Role.OPERATOR] < RIGHTS[Role.SUPERVISOR] < RIGHTS[Role.ADMIN]
    assert RIGHTS[Role.VIEWER] < RIGHTS[Role.AUTHOR] < RIGHTS[Role.ADMIN]


def test_an_author_executes_nothing_and_an_operator_writes_no_procedures() -> None:
    assert Right.EXECUTE_RUNS not in RIGHTS[Role.AUTHOR]
    assert Right.CHANGE_PROCEDURES not in RIGHTS[Role.OPERATOR]


def test_a_group_that_exists_is_left_as_it_was_made() -> None:
    make_groups()
    Group.objects.get(name=Role.VIEWER).permissions.clear()

    make_groups()

    assert rights_of(Role.VIEWER) == set()


def test_a_group_is_made_only_once_all_its_permissions_exist() -> None:
    Group.objects.all().delete()
    Permission.objects.filter(codename="execute_run").delete()

    make_groups()

    assert set(Group.objects.values_list("name", flat=True)) == {Role.VIEWER, Role.AUTHOR}


def test_before_there_are_groups_at_all_nothing_is_asked(django_assert_num_queries: Callable[[int], Any]) -> None:
    with django_assert_num_queries(0):
        make_groups(apps=Apps())
