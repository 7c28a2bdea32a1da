"""The roles of the service. Each is a Django group of the same name, made at the end of `migrate`."""

from enum import StrEnum


class Role(StrEnum):
    """A person's role. A step may require one."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    AUTHOR = "author"
    ADMIN = "admin"
