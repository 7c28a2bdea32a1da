"""A person who administers the others, for the tests of this directory."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from access.roles import Role


@pytest.fixture
def manager(person: Callable[[Role], User], client: Client) -> User:
    """An administrator by role, not a superuser, logged in as `client`."""
    manager = person(Role.ADMIN)
    manager.is_staff = True
    manager.save()
    client.force_login(manager)
    return manager
