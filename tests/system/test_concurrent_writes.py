"""Clients that write at the same moment: one wins, the ledger has no gap, everyone reads their own writes."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.factories import step
from tests.system.demo import Demo

ROUNDS = 15
WRITERS = 4
WRITES = 50  # of each writer


def seqs_of(run: dict[str, Any]) -> list[int]:
    """Return the numbers of a run's ledger."""
    return sorted(event["seq"] for event in [*run["commits"], *run["status_changes"]])


def test_of_two_commits_of_a_step_at_the_same_moment_one_wins(demo: Demo, procedure_key: str) -> None:
    def commit_both(run_id: str) -> list[tuple[int, Any]]:
        barrier = threading.Barrier(2)

        def commit(role: str) -> tuple[int, Any]:
            demo.client(role)  # made before the moment
            barrier.wait(10)
            response = demo.commit(run_id, "measure", role)
            return response.status_code, response.json().get("type")

        return sorted(clients.map(commit, ["operator", "supervisor"]))

    run_ids = [demo.start_run(procedure_key) for _ in range(ROUNDS)]
    with ThreadPoolExecutor(2) as clients:
        outcomes = [commit_both(run_id) for run_id in run_ids]

    assert outcomes == [[(201, None), (409, "/problems/step-already-committed")]] * ROUNDS
    assert [seqs_of(demo.read(f"/runs/{run_id}")) for run_id in run_ids] == [[1, 2]] * ROUNDS


def test_commits_of_different_steps_at_the_same_moment_leave_no_gap(demo: Demo) -> None:
    keys = [f"step-{number}" for number in range(12)]
    with demo.procedure(ordering="any", steps=[step(key) for key in keys]) as procedure_key:
        run_id = demo.start_run(procedure_key)

        with ThreadPoolExecutor(WRITERS) as clients:
            statuses = list(clients.map(lambda key: demo.commit(run_id, key).status_code, keys))

        run = demo.read(f"/runs/{run_id}")
    assert statuses == [201] * 12
    assert seqs_of(run) == list(range(1, 14))
    assert (run["last_seq"], run["status"]) == (13, "completed")


def test_two_puts_at_the_same_moment_publish_one_after_the_other(demo: Demo, procedure_key: str) -> None:
    with ThreadPoolExecutor(WRITERS) as authors:
        answers = list(
            authors.map(lambda number: demo.put_procedure(procedure_key, title=f"Number {number}"), range(WRITERS))
        )

    assert {answer.status_code for answer in answers} <= {200, 412}
    revisions = demo.read(f"/procedures/{procedure_key}/revisions")["revisions"]
    winners = sum(answer.status_code == 200 for answer in answers)
    assert [revision["revision"] for revision in revisions] == list(range(1 + winners, 0, -1))


def test_runs_can_be_started_while_their_procedure_is_published(demo: Demo, procedure_key: str) -> None:
    def publish_and_start(number: int) -> int:
        if number % 2:
            return demo.put_procedure(procedure_key, title=f"Number {number}").status_code
        return demo.client("operator").post("/runs", json={"procedure": procedure_key}).status_code

    with ThreadPoolExecutor(WRITERS) as clients:
        statuses = list(clients.map(publish_and_start, range(40)))

    assert set(statuses[::2]) == {201}
    assert set(statuses[1::2]) <= {200, 412}


def test_every_writer_reads_its_own_write(demo: Demo) -> None:
    keys = [f"step-{number}" for number in range(WRITES // 2)]

    def write_and_read(_writer: int) -> list[str]:
        with demo.procedure(ordering="any", steps=[step(key) for key in keys]) as procedure_key:
            run_id = demo.start_run(procedure_key)
            return [
                lost
                for number, key in enumerate(keys)
                for check in (put_and_read(demo, procedure_key, number), commit_and_read(demo, run_id, key))
                for lost in check
            ]

    for role in ("viewer", "operator", "author"):
        demo.client(role)
    with ThreadPoolExecutor(WRITERS) as writers:
        lost_writes = list(writers.map(write_and_read, range(WRITERS)))

    assert lost_writes == [[]] * WRITERS


def put_and_read(demo: Demo, procedure_key: str, number: int) -> list[str]:
    """Change a procedure's title, and return where it is missing."""
    title = f"Number {number}"
    assert demo.put_procedure(procedure_key, title=title).status_code == 200
    reads: dict[str, Callable[[], Any]] = {
        "procedure": lambda: demo.read(f"/procedures/{procedure_key}"),
        "list": lambda: next(item for item in demo.read("/procedures") if item["key"] == procedure_key),
    }
    return [f"{title} in the {place}" for place, read in reads.items() if read()["title"] != title]


def commit_and_read(demo: Demo, run_id: str, step_key: str) -> list[str]:
    """Commit a step, and return where it is missing."""
    assert demo.commit(run_id, step_key).status_code == 201
    commits = demo.read(f"/runs/{run_id}")["commits"]
    return [] if commits and commits[-1]["step_key"] == step_key else [f"{step_key} in the run"]
