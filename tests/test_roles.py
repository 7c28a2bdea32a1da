"""The service is checked against the matrix of roles and requests in docs/api.md: the table is the test."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from access.roles import Role
from runs.actions import pause_run
from runs.models import Run
from tests import factories
from tests.conftest import ApiClient

DOCUMENT = Path(__file__).parents[1] / "docs" / "api.md"
ANY = {"If-Match": "*"}


def documented_matrix() -> list[tuple[str, Role, bool]]:
    """Return each cell of the document's table: the request, the role, and whether it is allowed."""
    table = DOCUMENT.read_text().split("tests/test_roles.py reads this table -->")[1].split("\n\n")[1]
    header, _, *rows = [re.split(r"\s*\|\s*", line.strip("| ")) for line in table.splitlines()]
    return [(row[0], Role(role), cell == "yes") for row in rows for role, cell in zip(header[1:], row[1:], strict=True)]


class Scene:
    """A procedure and its runs, to send requests about."""

    def __init__(self, somebody: User) -> None:
        self.somebody = somebody
        self.definition = factories.body(
            "gibson", steps=[factories.step("measure", skippable=True), factories.step("incubate")]
        )
        factories.publish(self.definition)

    def run(self) -> Run:
        """Return a fresh run."""
        return factories.start(self.somebody, self.definition)

    def completed_run(self) -> Run:
        """Return a run whose steps are all committed."""
        run = self.run()
        for step in ("measure", "incubate"):
            factories.commit(run, step, self.somebody)
        return run


def read(client: ApiClient, scene: Scene) -> list[Any]:
    return [client.get(path) for path in ("/procedures", "/procedures/gibson", "/runs", f"/runs/{scene.run().pk}")]


def pause_or_resume(client: ApiClient, scene: Scene) -> list[Any]:
    paused = scene.run()
    pause_run(request=factories.verb_request(paused, scene.somebody))
    return [client.post(f"/runs/{scene.run().pk}/pause"), client.post(f"/runs/{paused.pk}/resume")]


def amend(client: ApiClient, run: Run) -> list[Any]:
    return [client.post(f"/runs/{run.pk}/steps/measure/amend", {"amends": 2, "reason": "typo"})]


def amend_running(client: ApiClient, scene: Scene) -> list[Any]:
    run = scene.run()
    factories.commit(run, "measure", scene.somebody)
    return amend(client, run)


REQUESTS: dict[str, Callable[[ApiClient, Scene], list[Any]]] = {
    "read procedures and runs": read,
    "create a procedure": lambda client, _: [client.post("/procedures", factories.body("new"))],
    "publish a revision": lambda client, _: [
        client.put("/procedures/gibson", factories.body("gibson", title="New"), headers=ANY)
    ],
    "archive a procedure": lambda client, _: [client.delete("/procedures/gibson", headers=ANY)],
    "start a run": lambda client, _: [client.post("/runs", {"procedure": "gibson"})],
    "commit a step": lambda client, scene: [client.post(f"/runs/{scene.run().pk}/steps/measure/commit")],
    "skip a step": lambda client, scene: [
        client.post(f"/runs/{scene.run().pk}/steps/measure/skip", {"reason": "not needed"})
    ],
    "amend a running run": amend_running,
    "pause or resume a run": pause_or_resume,
    "abort a run": lambda client, scene: [client.post(f"/runs/{scene.run().pk}/abort", {"reason": "fire"})],
    "amend a completed run": lambda client, scene: amend(client, scene.completed_run()),
}


@pytest.mark.parametrize(("request_name", "role", "is_allowed"), documented_matrix())
def test_the_service_keeps_to_the_documented_matrix(
    request_name: str,
    role: Role,
    is_allowed: bool,
    client_of: Callable[[Role], ApiClient],
    person: Callable[[Role], User],
) -> None:
    answers = REQUESTS[request_name](client_of(role), Scene(person(Role.SUPERVISOR)))

    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 201} if is_allowed else statuses == {403}


def test_every_documented_request_is_tried() -> None:
    assert {name for name, _, _ in documented_matrix()} == set(REQUESTS)


def test_a_person_without_a_role_may_not_even_read(
    client_of: Callable[[Role], ApiClient], person: Callable[[Role], User]
) -> None:
    client = client_of(Role.VIEWER)
    person(Role.VIEWER).groups.clear()

    assert client.get("/procedures").status_code == 403
    assert client.get("/procedures/nobody").status_code == 403


def test_a_step_for_supervisors_is_refused_to_operators(
    operator: ApiClient, supervisor: ApiClient, person: Callable[[Role], User]
) -> None:
    steps = [factories.step("approve", role="supervisor"), factories.step("go")]
    run = factories.start(person(Role.OPERATOR), factories.body(steps=steps))

    refused = operator.post(f"/runs/{run.pk}/steps/approve/commit")
    recorded = supervisor.post(f"/runs/{run.pk}/steps/approve/commit")

    assert (refused.status_code, refused.json()["type"], refused.json()["role"]) == (
        403,
        "/problems/role-required",
        "supervisor",
    )
    assert recorded.status_code == 201


def test_administrators_may_commit_every_step(
    client_of: Callable[[Role], ApiClient], person: Callable[[Role], User]
) -> None:
    run = factories.start(person(Role.OPERATOR), factories.body(steps=[factories.step("approve", role="supervisor")]))

    assert client_of(Role.ADMIN).post(f"/runs/{run.pk}/steps/approve/commit").status_code == 201
