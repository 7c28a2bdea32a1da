"""Which rights each role has; the matrix is in docs/api.md.

The groups are made at the end of `migrate`, when Django has made the permissions. A group that exists
already is left alone: it is the administrators' to change.
"""

from typing import Any

from django.contrib.auth.models import Group, Permission

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


def make_groups(**_signal: Any) -> None:
    """Make the groups of the roles that have none yet (receiver of post_migrate)."""
    for role, rights in RIGHTS.items():
        group, is_new = Group.objects.get_or_create(name=role)
        if is_new:
            group.permissions.set([_permission(right) for right in rights])


def _permission(right: Right) -> Permission:
    app_label, codename = right.split(".")
    return Permission.objects.get(content_type__app_label=app_label, codename=codename)
