"""Whom and what a person may manage in the admin: nobody reaches rights that they do not have themselves.

Whoever may set somebody's password, issue a token for them or put them into a group can act with the rights that come
with it. So a person is within reach of those who have all of that person's permissions, and a group of those who have
all of the group's. Superusers have every permission; only they reach one another.
"""

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet


def permissions_within_reach(manager: User) -> QuerySet[Permission]:
    """Return the permissions that `manager` has, and may give to others."""
    if manager.is_superuser:
        return Permission.objects.all()
    return Permission.objects.filter(Q(user=manager) | Q(group__user=manager)).distinct()


def groups_within_reach(manager: User) -> QuerySet[Group]:
    """Return the groups that `manager` may change, and put people into."""
    if manager.is_superuser:
        return Group.objects.all()
    return Group.objects.exclude(permissions__in=_permissions_beyond(manager))


def people_within_reach(manager: User) -> QuerySet[User]:
    """Return the people that `manager` may see, change, and issue or revoke tokens of."""
    if manager.is_superuser:
        return User.objects.all()
    beyond = _permissions_beyond(manager)
    return User.objects.filter(is_superuser=False).exclude(
        Q(user_permissions__in=beyond) | Q(groups__permissions__in=beyond)
    )


def _permissions_beyond(manager: User) -> QuerySet[Permission]:
    return Permission.objects.exclude(pk__in=permissions_within_reach(manager).values("pk"))
