"""What each role may do; the matrix of requests is in docs/api.md.

The groups are made at the end of `migrate`, when Django has made the permissions. A group that exists
already is left alone: it is the administrators' to change.
"""

from typing import Any

from django.apps import apps as all_apps
from django.apps.registry import Apps
from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet

from access.rights import Right
from access.roles import Role

READER = frozenset({Right.READ_PROCEDURES, Right.READ_RUNS})
OPERATOR = READER | {Right.EXECUTE_RUNS}
SUPERVISOR = OPERATOR | {Right.ABORT_RUNS, Right.AMEND_COMPLETED_RUNS}
AUTHOR = READER | {Right.CREATE_PROCEDURES, Right.CHANGE_PROCEDURES, Right.ARCHIVE_PROCEDURES}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.VIEWER: READER,
    Role.OPERATOR: OPERATOR,
    Role.SUPERVISOR: SUPERVISOR,
    Role.AUTHOR: AUTHOR,
    Role.ADMIN: frozenset(Right),
}

# What the pages of the admin ask for beyond the rights, of those who may log in there (`is_staff`).
TO_READ = frozenset({"procedures.view_revision", "procedures.view_step", "runs.view_runevent"})
TO_WRITE_DRAFTS = frozenset(
    f"procedures.{verb}_{model}" for model in ("revision", "step") for verb in ("add", "change", "delete")
)
TO_MANAGE_PEOPLE = frozenset(
    {f"auth.{verb}_{model}" for model in ("user", "group") for verb in ("view", "add", "change", "delete")}
    | {"access.view_apitoken", "access.add_apitoken"}
)

PAGES: dict[Role, frozenset[str]] = {
    Role.VIEWER: TO_READ,
    Role.OPERATOR: TO_READ,
    Role.SUPERVISOR: TO_READ,
    Role.AUTHOR: TO_READ | TO_WRITE_DRAFTS,
    Role.ADMIN: TO_READ | TO_WRITE_DRAFTS | TO_MANAGE_PEOPLE,
}


def make_groups(*, apps: Apps = all_apps, **_signal: Any) -> None:
    """Make the groups of the roles that have none yet (receiver of post_migrate).

    After `migrate APP`, the permissions of other apps may not exist yet: then a group is made later, with all of its
    permissions.
    """
    try:
        apps.get_model("auth", "Group")
    except LookupError:
        return
    known = {f"{found.content_type.app_label}.{found.codename}": found for found in _all_permissions()}
    for role in Role:
        names = RIGHTS[role] | PAGES[role]
        if names <= known.keys() and not Group.objects.filter(name=role).exists():
            Group.objects.create(name=role).permissions.set(known[name] for name in names)


def _all_permissions() -> QuerySet[Permission]:
    return Permission.objects.select_related("content_type")
