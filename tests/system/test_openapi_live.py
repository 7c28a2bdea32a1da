"""The live service is checked against /openapi.json, with right and wrong requests generated from the document."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup, ServerError
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from procedures_project import documentation
from tests.factories import item, slot, step
from tests.system.demo import Demo, running_demo

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]
STEPS = [
    step("measure", skippable=True),
    step(
        "incubate",
        slots=[slot("minutes", "integer", required=False, min=15, max=65, out_of_range="deviation")],
        checklist=[item("on_ice", required=False)],
    ),
]
Case: TypeAlias = "schemathesis.Case[Any]"

ROLES = ("viewer", "operator", "supervisor", "author", None, "admin")
LEAST_CASES, LEAST_OF_A_ROLE = 2_000, 90
EXPLAINED = {
    (ServerError, 501): "RFC 9110 §9.1: a method that the service does not know is answered 501.",
}
"""The failures that are right, by their kind and the status of the answer, and why."""

TURNS_OF_A_RUN = 3  # requests until the next one gets a fresh run


def described(max_examples: int, *, with_coverage: bool) -> schemathesis.BaseSchema:
    """Return the document to generate requests from; coverage adds the limits of each value, one after the other."""
    config = {
        # Without a token is a case of its own below.
        "generation": {
            "deterministic": True,
            "database": "none",
            "max-examples": max_examples,
            "with-security-parameters": False,
        },
        "phases": {"coverage": {"enabled": with_coverage}},
        # The state of a run, for instance, comes before whether the body is valid.
        "checks": {"negative_data_rejection": {"expected-statuses": ["4xx"]}},
    }
    return schemathesis.openapi.from_dict(
        json.loads(documentation.document()), config=schemathesis.Config.from_dict(config)
    )


thorough = described(15, with_coverage=True)
brief = described(5, with_coverage=False)
repeatable = settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


class Aim:
    """Points requests at things that exist, because generated keys and ids would never be found."""

    def __init__(self, demo: Demo, changing_key: str, executed_key: str) -> None:
        self._demo = demo
        self._changing_key = changing_key
        self._executed_key = executed_key
        self._run_id = ""
        self._turn = 0

    def point(self, case: Case) -> None:
        """Replace valid values in the path and in If-Match by existing ones, most of the time."""
        self._turn += 1
        if self._turn % 8 and _is_valid(case, ParameterLocation.PATH):
            existing = self._existing(case.operation.definition.raw["operationId"])
            case.path_parameters.update({name: existing[name] for name in case.path_parameters})
        if self._turn % 2 and "If-Match" in case.headers and _is_valid(case, ParameterLocation.HEADER):
            case.headers["If-Match"] = "*"
        if isinstance(case.body, dict) and _is_valid(case, ParameterLocation.BODY):
            # The first of the STEPS was committed as event 2 of its run.
            existing = {"procedure": self._executed_key, "revision": None, "amends": 2 + self._turn % len(STEPS)}
            case.body = {**case.body, **{name: existing[name] for name in existing.keys() & case.body.keys()}}

    def _existing(self, operation_id: str) -> dict[str, Any]:
        step_key = STEPS[self._turn % len(STEPS)]["key"]
        return {"key": self._changing_key, "number": 1, "run_id": self._run(operation_id), "step_key": step_key}

    def _run(self, operation_id: str) -> str:
        """Return a run that allows the operation at first."""
        if not self._run_id or self._turn % TURNS_OF_A_RUN == 0:
            self._run_id = self._demo.start_run(self._executed_key)
            before = {"resumeRun": "pause", "exportRun": "abort", "exportRunTable": "abort", "amendStep": "commit"}
            self._prepare(before.get(operation_id))
        return self._run_id

    def _prepare(self, verb: str | None) -> None:
        if verb == "commit":
            for part in STEPS:
                self._demo.commit(self._run_id, part["key"])
        elif verb:
            self._demo.client("supervisor").post(f"/runs/{self._run_id}/{verb}", json={"reason": "To be exported."})


def _is_valid(case: Case, location: ParameterLocation) -> bool:
    component = case.meta.components.get(location) if case.meta else None
    return component is None or component.mode.is_positive


@pytest.fixture(scope="module")
def shared_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A separate demo, so that what is generated here stays in it."""
    with running_demo(tmp_path_factory.mktemp("openapi") / "data") as demo:
        yield demo


@pytest.fixture
def aim(demo: Demo) -> Iterator[Aim]:
    """An aim at a procedure to change, and at runs of another one."""
    with demo.procedure() as changing_key, demo.procedure(steps=STEPS, ordering="any") as executed_key:
        yield Aim(demo, changing_key, executed_key)


@pytest.fixture
def successes() -> Iterator[Counter[int]]:
    """The successes of an operation; there must be some."""
    counts: Counter[int] = Counter()
    yield counts
    assert counts, "not one request got as far as a success"


@pytest.fixture(scope="module")
def cases() -> Iterator[Counter[str | None]]:
    """How many requests each role has sent; all together they are thousands."""
    counts: Counter[str | None] = Counter()
    yield counts
    if len(counts) == len(ROLES) and min(counts.values()) >= LEAST_OF_A_ROLE:  # else only some of the tests were run
        assert counts.total() >= LEAST_CASES, counts


def _is_explained(failure: BaseException, response: schemathesis.Response) -> bool:
    return (type(failure), response.status_code) in EXPLAINED


@pytest.fixture
def request_as(cases: Counter[str | None], demo: Demo) -> Callable[[Case, str | None], schemathesis.Response]:
    """Send a case with the token of a role, and check the answer against the document."""

    def send(case: Case, role: str | None) -> schemathesis.Response:
        headers = {"Authorization": f"Bearer {demo.tokens[role]}"} if role else {}
        response = case.call(base_url=demo.base_url, headers=headers)
        try:
            case.validate_response(response, checks=CHECKS, headers=headers)
        except FailureGroup as found:
            if unexplained := [failure for failure in found.exceptions if not _is_explained(failure, response)]:
                raise FailureGroup(unexplained) from None
        cases[role] += 1
        return response

    return send


@thorough.parametrize()
@repeatable
def test_every_answer_is_as_described(
    case: Case, aim: Aim, request_as: Callable[[Case, str | None], schemathesis.Response], successes: Counter[int]
) -> None:
    aim.point(case)

    response = request_as(case, "admin")

    if response.status_code < 300:
        successes[response.status_code] += 1


@pytest.mark.parametrize("role", ROLES[:-1])
@brief.parametrize()
@repeatable
def test_every_refusal_is_as_described(
    case: Case, aim: Aim, request_as: Callable[[Case, str | None], schemathesis.Response], role: str | None
) -> None:
    aim.point(case)

    response = request_as(case, role)

    if role is None:
        assert response.status_code in {401, 404}  # no route looks like a malformed path


def test_the_live_document_is_the_one_that_the_requests_are_made_from(demo: Demo) -> None:
    answer = demo.client(None).get("/openapi.json")

    assert (answer.status_code, answer.content) == (200, documentation.document())


def test_the_page_and_all_that_it_loads_come_from_the_service(demo: Demo) -> None:
    page = demo.client(None).get("/docs")

    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) == 4
    assert [demo.client(None).get(file).status_code for file in files] == [200] * 4
