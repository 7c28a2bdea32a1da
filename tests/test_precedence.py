"""Which error comes first (docs/api.md): each request below is wrong in every later way too."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User

from access.roles import Role
from rest import timestamps
from runs.actions import VerbRequest, pause_run
from tests import factories
from tests.answers import assert_repeated, problem
from tests.conftest import ApiClient

NOBODY = "01930000-0000-7000-8000-000000000000"
STALE = {"If-Match": '"1-00000000"'}
INVALID = {"values": {"nothing": 1}}
JSON = "application/json"
KEY = {"Idempotency-Key": "k"}
PUT_KEY = {**KEY, "If-Match": "*"}


@pytest.fixture
def run_id(person: Callable[[Role], User]) -> str:
    """A paused run in strict order. Its first step is for supervisors, and nobody has committed its second."""
    steps = [factories.step("approve", role="supervisor"), factories.step("go"), factories.step("done")]
    run = factories.start(person(Role.SUPERVISOR), factories.body(steps=steps))
    return str(run.pk)


def pause(run_id: str, person: Callable[[Role], User]) -> None:
    """Pause the run."""
    request = VerbRequest(run_id=UUID(run_id), actor=person(Role.SUPERVISOR), now=timestamps.now())
    pause_run(request=request)


def may_only_read(user: User) -> None:
    """Take all roles except viewer from a person."""
    user.groups.set([Group.objects.get(name=Role.VIEWER)])


def test_1_without_a_token_nothing_else_is_checked(anonymous: ApiClient) -> None:
    answer = anonymous.patch(f"/runs/{NOBODY}?x=1", "{", "text/plain", headers={"Accept": "text/html"})

    assert problem(answer) == (401, "unauthenticated")


def test_2_the_method_comes_before_the_media_types(viewer: ApiClient) -> None:
    answer = viewer.patch(f"/runs/{NOBODY}?x=1", "{", "text/plain", headers={"Accept": "text/html"})

    assert problem(answer) == (405, "method-not-allowed")


def test_3_what_is_acceptable_comes_before_what_was_sent(viewer: ApiClient) -> None:
    answer = viewer.post("/runs?x=1", "{", "text/plain", headers={"Accept": "text/html"})

    assert problem(answer) == (406, "not-acceptable")


def test_4_the_media_type_comes_before_the_syntax(viewer: ApiClient) -> None:
    assert problem(viewer.post("/runs?x=1", "{", "text/plain")) == (415, "unsupported-media-type")


def test_5_the_syntax_comes_before_the_parameters(viewer: ApiClient) -> None:
    assert problem(viewer.post("/runs?x=1", "{", JSON)) == (400, "malformed-request")


def test_6_the_parameters_come_before_the_run(viewer: ApiClient) -> None:
    answer = viewer.post(f"/runs/{NOBODY}/steps/none/commit?x=1", INVALID, headers=STALE)

    assert problem(answer) == (400, "unknown-parameter")


@pytest.mark.parametrize("headers", [{"If-Match": "1"}, {"Idempotency-Key": ""}], ids=["If-Match", "Idempotency-Key"])
def test_6_a_malformed_header_comes_before_the_run(viewer: ApiClient, headers: dict[str, str]) -> None:
    answer = viewer.post(f"/runs/{NOBODY}/steps/none/commit", INVALID, headers=headers)

    assert problem(answer) == (400, "malformed-request")


def test_7_the_run_comes_before_the_step(viewer: ApiClient) -> None:
    answer = viewer.post(f"/runs/{NOBODY}/steps/none/commit", INVALID, headers=STALE)

    assert problem(answer) == (404, "run-not-found")


def test_8_a_repeated_request_is_answered_whatever_has_changed_since(
    supervisor: ApiClient, run_id: str, person: Callable[[Role], User]
) -> None:
    path = f"/runs/{run_id}/steps/approve/commit"
    first = supervisor.post(path, headers=KEY)
    pause(run_id, person)
    may_only_read(person(Role.SUPERVISOR))

    assert_repeated(supervisor.post(path, headers={**KEY, **STALE}), first)


def test_8_a_reused_key_comes_before_the_step(supervisor: ApiClient, run_id: str) -> None:
    supervisor.post(f"/runs/{run_id}/steps/approve/commit", headers=KEY)

    answer = supervisor.post(f"/runs/{run_id}/steps/none/commit", INVALID, headers={**KEY, **STALE})

    assert problem(answer) == (422, "idempotency-key-reused")


def test_9_the_step_comes_before_the_rights(viewer: ApiClient, run_id: str) -> None:
    assert problem(viewer.post(f"/runs/{run_id}/steps/none/commit", INVALID, headers=STALE)) == (404, "step-not-found")


def test_10_the_rights_come_before_the_role(viewer: ApiClient, run_id: str) -> None:
    assert problem(viewer.post(f"/runs/{run_id}/steps/approve/commit", INVALID, headers=STALE)) == (403, "forbidden")


def test_11_the_role_comes_before_the_precondition(operator: ApiClient, run_id: str) -> None:
    answer = operator.post(f"/runs/{run_id}/steps/approve/commit", INVALID, headers=STALE)

    assert problem(answer) == (403, "role-required")


def test_12_the_precondition_comes_before_the_state(
    operator: ApiClient, run_id: str, person: Callable[[Role], User]
) -> None:
    pause(run_id, person)

    answer = operator.post(f"/runs/{run_id}/steps/go/commit", INVALID, headers=STALE)

    assert problem(answer) == (412, "version-mismatch")


def test_13_the_state_comes_before_the_order(operator: ApiClient, run_id: str, person: Callable[[Role], User]) -> None:
    pause(run_id, person)

    assert problem(operator.post(f"/runs/{run_id}/steps/go/commit", INVALID)) == (409, "run-not-in-progress")


def test_14_the_order_comes_before_the_body(operator: ApiClient, run_id: str) -> None:
    assert problem(operator.post(f"/runs/{run_id}/steps/go/commit", INVALID)) == (409, "step-out-of-order")


def test_15_what_is_committed_already_comes_before_the_body(supervisor: ApiClient, run_id: str) -> None:
    supervisor.post(f"/runs/{run_id}/steps/approve/commit")

    answer = supervisor.post(f"/runs/{run_id}/steps/approve/commit", INVALID)

    assert problem(answer) == (409, "step-already-committed")


def test_16_the_body_comes_last(supervisor: ApiClient, run_id: str) -> None:
    answer = supervisor.post(f"/runs/{run_id}/steps/approve/commit", INVALID)

    assert problem(answer) == (400, "validation-failed")


@pytest.mark.parametrize("headers", [{"If-Match": "1"}, {"Idempotency-Key": ""}], ids=["If-Match", "Idempotency-Key"])
def test_of_a_procedure_a_malformed_header_comes_before_existence(viewer: ApiClient, headers: dict[str, str]) -> None:
    assert problem(viewer.put("/procedures/nobody", {}, headers=headers)) == (400, "malformed-request")


def test_of_a_procedure_existence_comes_before_rights(viewer: ApiClient) -> None:
    assert problem(viewer.put("/procedures/nobody", {}, headers=STALE)) == (404, "procedure-not-found")


def test_of_a_procedure_rights_come_before_the_precondition(viewer: ApiClient) -> None:
    factories.publish(factories.body("gibson"))

    assert problem(viewer.put("/procedures/gibson", {})) == (403, "forbidden")


def test_of_a_procedure_a_missing_precondition_comes_before_the_body(author: ApiClient) -> None:
    factories.publish(factories.body("gibson"))

    assert problem(author.put("/procedures/gibson", {})) == (428, "precondition-required")


def test_of_a_procedure_a_failed_precondition_comes_before_the_body(author: ApiClient) -> None:
    factories.publish(factories.body("gibson"))

    assert problem(author.put("/procedures/gibson", {}, headers=STALE)) == (412, "version-mismatch")


def test_of_a_procedure_existence_comes_before_a_used_key(author: ApiClient) -> None:
    author.post("/procedures", factories.body("gibson"), headers=KEY)

    assert problem(author.put("/procedures/nobody", {}, headers=KEY)) == (404, "procedure-not-found")


@pytest.mark.parametrize("headers", [STALE, {}], ids=["stale", "without a precondition"])
def test_of_a_procedure_a_repeated_change_comes_before_all_that_has_changed_since(
    author: ApiClient, person: Callable[[Role], User], headers: dict[str, str]
) -> None:
    factories.publish(factories.body("gibson"))
    change = factories.body("gibson", title="Better")
    first = author.put("/procedures/gibson", change, headers=PUT_KEY)
    may_only_read(person(Role.AUTHOR))

    assert_repeated(author.put("/procedures/gibson", change, headers={**KEY, **headers}), first)


def test_of_a_procedure_a_reused_key_comes_before_the_rights(author: ApiClient, person: Callable[[Role], User]) -> None:
    factories.publish(factories.body("gibson"))
    author.put("/procedures/gibson", factories.body("gibson", title="Better"), headers=PUT_KEY)
    may_only_read(person(Role.AUTHOR))

    assert problem(author.put("/procedures/gibson", {}, headers=KEY)) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("path", "content"),
    [("/procedures", factories.body("gibson")), ("/runs", {"procedure": "lockout"})],
    ids=["procedure", "run"],
)
def test_a_repeated_creation_comes_before_the_rights(
    path: str, content: dict[str, Any], client_of: Callable[[Role], ApiClient], person: Callable[[Role], User]
) -> None:
    factories.publish(factories.body("lockout"))
    admin = client_of(Role.ADMIN)
    first = admin.post(path, content, headers=KEY)
    may_only_read(person(Role.ADMIN))

    assert_repeated(admin.post(path, content, headers=KEY), first)


@pytest.mark.parametrize(
    ("path", "content"),
    [("/procedures", factories.body("gibson")), ("/runs", {"procedure": "lockout"})],
    ids=["procedure", "run"],
)
def test_a_reused_key_of_a_creation_comes_before_the_rights_and_the_body(
    path: str, content: dict[str, Any], client_of: Callable[[Role], ApiClient], person: Callable[[Role], User]
) -> None:
    factories.publish(factories.body("lockout"))
    admin = client_of(Role.ADMIN)
    admin.post(path, content, headers=KEY)
    may_only_read(person(Role.ADMIN))

    assert problem(admin.post(path, {"nothing": 1}, headers=KEY)) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("path", ["/procedures", "/runs"])
def test_of_a_creation_the_rights_come_before_the_body(viewer: ApiClient, path: str) -> None:
    assert problem(viewer.post(path, {"nothing": 1}, headers=KEY)) == (403, "forbidden")
