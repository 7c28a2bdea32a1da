"""The operator of the tests of this directory."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from access.roles import Role


@pytest.fixture
def mkoch(person: Callable[[Role], User]) -> User:
    """The person of the client `operator`."""
    return person(Role.OPERATOR)
