"""A client that openapi-python-client generates from /openapi.json: its errors are typed like its successes."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.processes import clean_environment
from tests.system.demo import Demo

PACKAGE = "generated_client"

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def models(shared_demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The modules of a client that was generated without a warning and can be imported."""
    directory = tmp_path_factory.mktemp("client")
    document = directory / "openapi.json"
    document.write_bytes(shared_demo.client(None).get("/openapi.json").content)
    options = ["--path", str(document), "--output-path", str(directory / PACKAGE), "--meta", "none"]
    search_path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # it formats with ruff
    generation = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", *options],
        env=clean_environment(PATH=search_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert generation.returncode == 0, generation.stdout + generation.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        yield importlib.import_module(f"{PACKAGE}.models")


@pytest.fixture
def call(demo: Demo, models: Any) -> Call:
    """Call an operation of the live service as operator; return the status and the parsed body."""

    def send(operation: str, *path: Any, **arguments: Any) -> tuple[HTTPStatus, Any]:
        client = importlib.import_module(PACKAGE).AuthenticatedClient(
            demo.base_url, demo.tokens["operator"], raise_on_unexpected_status=True, httpx_args={"trust_env": False}
        )
        with client:
            answer = importlib.import_module(f"{PACKAGE}.api.{operation}").sync_detailed(
                *path, client=client, **arguments
            )
        return answer.status_code, answer.parsed

    return send


def test_the_list_of_procedures_is_typed(call: Call, models: Any, procedure_key: str) -> None:
    status, procedures = call("procedures.list_procedures")

    assert status == HTTPStatus.OK
    (procedure,) = [procedure for procedure in procedures if procedure.key == procedure_key]
    assert isinstance(procedure, models.Procedure)
    assert [type(step) for step in procedure.steps] == [models.Step, models.Step]


def test_a_run_is_typed(call: Call, models: Any, procedure_key: str) -> None:
    started_status, started = call("runs.start_run", body=models.StartRequest(procedure=procedure_key))
    status, run = call("runs.get_run", started.id)

    assert (started_status, status) == (HTTPStatus.CREATED, HTTPStatus.OK)
    assert isinstance(run, models.Run)
    assert run == started
    assert run.status is models.RunStatus.IN_PROGRESS


def test_whoever_asks_is_typed(call: Call, models: Any) -> None:
    status, me = call("me.get_me")

    assert (status, me.roles) == (HTTPStatus.OK, ["operator"])
    assert isinstance(me, models.Me)
    assert (me.rights.execute_runs, me.rights.abort_runs) == (True, False)


def test_pages_of_runs_are_followed_without_taking_a_path_apart(call: Call, models: Any, run_id: str) -> None:
    _, page = call("runs.list_runs", limit=1, started_by="me", status="in_progress,paused")
    _, following = call("runs.list_runs", limit=1, cursor=page.next_cursor or page.runs[0].id)

    assert isinstance(following, models.RunPage)
    assert [run.id for run in page.runs if run.id in {other.id for other in following.runs}] == []


def test_a_page_of_runs_is_typed(call: Call, models: Any, run_id: str) -> None:
    status, page = call("runs.list_runs", limit=1)

    assert status == HTTPStatus.OK
    assert isinstance(page, models.RunPage)
    assert [type(run) for run in page.runs] == [models.RunHead]


def test_a_step_out_of_order_is_a_typed_conflict(call: Call, models: Any, run_id: str) -> None:
    status, problem = call("runs.commit_step", UUID(run_id), "incubate", body=models.CommitRequest())

    assert status == HTTPStatus.CONFLICT
    assert isinstance(problem, models.StepOutOfOrderProblem)
    assert problem.blocking_steps == ["measure"]


def test_a_request_that_is_not_valid_is_a_typed_problem_with_every_finding(
    call: Call, models: Any, run_id: str
) -> None:
    values = models.CommitRequestValues.from_dict({"minutes": 71, "volume": 2})

    status, problem = call("runs.commit_step", UUID(run_id), "measure", body=models.CommitRequest(values=values))

    assert status == HTTPStatus.BAD_REQUEST
    assert isinstance(problem, models.ValidationFailedProblem)
    assert {error.pointer for error in problem.errors} == {"/values/minutes", "/values/volume"}
    assert all(error.code and error.detail for error in problem.errors)
