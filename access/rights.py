"""Who may do what. A right is a Django permission; a role is a group that has some (procedures_project/roles.py)."""

from enum import StrEnum
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from access.problems import ROLE_REQUIRED
from access.roles import Role
from rest.problems import FORBIDDEN

if TYPE_CHECKING:  # the views import this module, by way of the settings
    from rest_framework.views import APIView


class Right(StrEnum):
    """The rights that the service checks, each with the name of its Django permission."""

    READ_PROCEDURES = "procedures.view_procedure"
    CREATE_PROCEDURES = "procedures.add_procedure"
    CHANGE_PROCEDURES = "procedures.change_procedure"
    ARCHIVE_PROCEDURES = "procedures.delete_procedure"
    READ_RUNS = "runs.view_run"
    EXECUTE_RUNS = "runs.execute_run"
    ABORT_RUNS = "runs.abort_run"
    AMEND_COMPLETED_RUNS = "runs.amend_completed_run"


def require(user: User, right: Right) -> None:
    """Raise `FORBIDDEN` unless the user has the right."""
    if not user.has_perm(right):
        raise FORBIDDEN(f"This requires the right {right}.")


def may_fill_role(user: User, role: str) -> bool:
    """Tell whether the user is in the group `role`, or an administrator."""
    return user.is_superuser or user.groups.filter(name__in=[role, Role.ADMIN]).exists()


def require_role(user: User, role: str | None) -> None:
    """Raise `ROLE_REQUIRED` unless no role is asked for, or the user may fill it."""
    if role is not None and not may_fill_role(user, role):
        raise ROLE_REQUIRED(f"Only members of {role!r} may commit, skip or amend this step.", role=role)


class MayRead(BasePermission):
    """Admit users who may read what the view shows; nobody else may even learn what exists."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Tell whether the user has the view's `read_right`."""
        user = request.user
        return user is not None and user.is_authenticated and user.has_perm(view.read_right)  # type: ignore[attr-defined]
