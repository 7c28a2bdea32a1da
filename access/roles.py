"""The roles of the service; each is a Django group of the same name, made by a migration."""

from enum import StrEnum


class Role(StrEnum):
    """What a person is to the procedures. Steps may require one."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    AUTHOR = "author"
    ADMIN = "admin"
