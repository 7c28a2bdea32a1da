"""The sample procedures, walked through as an operator does."""

import json
from typing import Any

import pytest

from tests import PROJECT_DIR
from tests.system.demo import Demo

SAMPLE_RUNS = json.loads((PROJECT_DIR / "runs/sample_data/runs.json").read_text(encoding="utf-8"))["runs"]
COMPLETE = ["gibson-assembly", "machine-lockout-tagout"]


def sample_runs(demo: Demo) -> list[dict[str, Any]]:
    """Return the heads of the runs that the demo started, newest first."""
    titles = {sample["title"] for sample in SAMPLE_RUNS}
    heads: list[dict[str, Any]] = []
    following: str | None = "/runs?limit=200"
    while following:
        page = demo.read(following)
        heads += page["runs"]
        following = page["next"]
    return [head for head in heads if head["title"] in titles and head["started_by"]["name"] == "supervisor"]


def test_every_sample_procedure_can_be_started(demo: Demo) -> None:
    procedures = demo.read("/procedures")

    runs = {procedure["key"]: demo.read(f"/runs/{demo.start_run(procedure['key'])}") for procedure in procedures}

    assert len(runs) == 7
    for procedure in procedures:
        steps = [(step["key"], step["title"]) for step in procedure["steps"]]
        run = runs[procedure["key"]]
        assert [(step["key"], step["title"]) for step in run["steps"]] == steps
        assert run["progress"] == {"resolved": 0, "total": len(steps)}
        assert run["next_steps"][0] == steps[0][0]


def test_every_sample_run_is_listed_newest_first(demo: Demo) -> None:
    heads = sample_runs(demo)

    assert [head["title"] for head in heads] == [sample["title"] for sample in reversed(SAMPLE_RUNS)]
    assert [head["progress"]["resolved"] for head in heads] == [
        len(sample["commits"]) for sample in reversed(SAMPLE_RUNS)
    ]


def test_the_two_complete_sample_runs_are_completed(demo: Demo) -> None:
    completed = {head["procedure"]["key"] for head in sample_runs(demo) if head["status"] == "completed"}

    assert completed == set(COMPLETE)


def test_the_list_of_runs_can_be_filtered_by_status(demo: Demo, run_id: str) -> None:
    listed = demo.read("/runs?status=in_progress&limit=200")["runs"]

    assert listed[0]["id"] == run_id
    assert {head["status"] for head in listed} == {"in_progress"}


def test_every_body_of_a_run_is_sorted(demo: Demo) -> None:
    orders = {procedure["key"]: [step["key"] for step in procedure["steps"]] for procedure in demo.read("/procedures")}

    for head in sample_runs(demo):
        run = demo.read(f"/runs/{head['id']}")
        seqs = [commit["seq"] for commit in run["commits"]]
        assert seqs == sorted(seqs)
        assert [step["key"] for step in run["steps"]] == orders[head["procedure"]["key"]]
        assert sorted([*seqs, *(change["seq"] for change in run["status_changes"])]) == list(
            range(1, head["last_seq"] + 1)
        )


def test_a_run_has_the_head_that_the_list_shows(demo: Demo) -> None:
    for head in sample_runs(demo):
        run = demo.read(f"/runs/{head['id']}")

        assert {name: run[name] for name in head} == head


@pytest.mark.parametrize("procedure_key", COMPLETE)
def test_a_sample_can_be_walked_to_its_end(demo: Demo, procedure_key: str) -> None:
    (sample,) = [sample for sample in SAMPLE_RUNS if sample["procedure"] == procedure_key]
    run_id = demo.start_run(procedure_key)

    for number, commit in enumerate(sample["commits"], start=1):
        members = {name: value for name, value in commit.items() if name != "step"}
        answer = demo.commit(run_id, commit["step"], "supervisor", **members)
        assert answer.status_code == 201, answer.text
        assert demo.read(f"/runs/{run_id}")["progress"]["resolved"] == number

    run = demo.read(f"/runs/{run_id}")
    assert run["status"] == "completed"
    assert run["next_steps"] == []
    assert [commit["step_key"] for commit in run["commits"]] == [commit["step"] for commit in sample["commits"]]
    assert [commit["values"] for commit in run["commits"]] == [commit["values"] for commit in sample["commits"]]


def test_a_completed_run_takes_no_commit(demo: Demo) -> None:
    (gibson,) = [head for head in sample_runs(demo) if head["procedure"]["key"] == "gibson-assembly"]

    answer = demo.commit(gibson["id"], "incubate", "supervisor")

    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/run-not-in-progress"
