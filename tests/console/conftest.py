"""Browsers of people of each role."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from redis import Redis

from access.roles import Role
from runs.models import Run
from tests.factories import body, item, slot, start, step

Browser = Callable[[Role], Client]

STEPS = [
    step(
        "mix",
        slots=[slot("minutes", "integer", unit="min", min=15, max=65, out_of_range="deviation")],
        checklist=[item("on_ice", label="Tubes are on ice")],
        instructions="Mix **gently**.",
    ),
    step("rest", skippable=True),
]


@pytest.fixture
def browser_of(person: Callable[[Role], User], redis: Redis) -> Browser:
    """Return the browser of a person of a role, who is signed in."""

    def browser(role: Role) -> Client:
        client = Client(headers={"Accept": "text/html"})
        client.force_login(person(role))
        return client

    return browser


@pytest.fixture
def run(person: Callable[[Role], User], redis: Redis) -> Run:
    """A run of two steps, started by the operator."""
    return start(person(Role.OPERATOR), body("mixing", steps=STEPS, title="Mixing"))


def form(**fields: Any) -> dict[str, Any]:
    """Return the fields of a commit of the first step that is right, changed by `fields` (`__` stands for a dot)."""
    right = {"key": "k-1", "value.minutes": "20", "check.on_ice": "on"}
    changed = {name.replace("__", "."): value for name, value in fields.items()}
    return {name: value for name, value in (right | changed).items() if value is not None}
