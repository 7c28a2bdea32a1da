"""When PostgreSQL's connections are cut, requests recover by themselves, and no answered write is lost."""

import threading

import httpx
import psycopg

from tests.factories import step
from tests.processes import eventually, frozen_with_children
from tests.system.demo import Demo

STEPS = 60


def cut_connections(demo: Demo) -> int:
    """Terminate every connection of the service to PostgreSQL, and return how many there were."""
    with psycopg.connect(demo.services["database_url"], autocommit=True) as connection:
        terminated = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return len(terminated.fetchall())


def is_announced(response: httpx.Response) -> bool:
    """Tell whether an answer is a success or says when to try again."""
    return response.status_code in {200, 201} or (response.status_code == 503 and "Retry-After" in response.headers)


def test_the_requests_after_a_cut_are_answered(demo: Demo, procedure_key: str, run_id: str) -> None:
    for number in range(5):
        demo.put_procedure(procedure_key, title=f"Before {number}")  # so that workers have connections
        assert cut_connections(demo) > 0

        answers = [demo.put_procedure(procedure_key, title=f"After {number}") for _ in range(2)]
        answers += [demo.get("/procedures") for _ in range(4)]
        answers += [demo.get(f"/runs/{run_id}") for _ in range(4)]

        assert all(is_announced(answer) for answer in answers), [answer.status_code for answer in answers]
        eventually(lambda: demo.get("/procedures").status_code == 200)
        assert demo.put_procedure(procedure_key, title=f"After {number}").status_code == 200
        assert demo.read(f"/procedures/{procedure_key}")["title"] == f"After {number}"


def test_the_service_is_ready_again_after_a_cut(demo: Demo) -> None:
    cut_connections(demo)

    eventually(lambda: demo.client(None).get("/readyz").status_code == 200)


def test_no_answered_commit_is_lost_while_connections_are_cut(demo: Demo) -> None:
    keys = [f"step-{number}" for number in range(STEPS)]
    cutting, done = threading.Event(), threading.Event()

    def cut_again_and_again() -> None:
        while not done.wait(0.05):
            if cutting.is_set():
                cut_connections(demo)

    def commit(number: int) -> httpx.Response:
        # On a busy machine no commit is as fast as the next cut, so one in three is let through.
        (cutting.clear if number % 3 == 0 else cutting.set)()
        return demo.commit(run_id, keys[number])

    with demo.procedure(ordering="any", steps=[step(key) for key in keys]) as procedure_key:
        run_id = demo.start_run(procedure_key)
        cutter = threading.Thread(target=cut_again_and_again)
        cutter.start()
        try:
            answers = {key: commit(number) for number, key in enumerate(keys)}
        finally:
            done.set()
            cutter.join()
        committed = [commit["step_key"] for commit in eventually(lambda: read_run(demo, run_id))["commits"]]

    assert all(is_announced(answer) for answer in answers.values()), {
        answer.text for answer in answers.values() if not is_announced(answer)
    }
    answered = [key for key, answer in answers.items() if answer.status_code == 201]
    assert answered
    assert set(answered) <= set(committed)
    assert len(committed) == len(set(committed))


def read_run(demo: Demo, run_id: str) -> dict[str, list[dict[str, str]]]:
    """Return a run, or None while the service has not recovered."""
    response = demo.get(f"/runs/{run_id}")
    run: dict[str, list[dict[str, str]]] = response.json() if response.status_code == 200 else {}
    return run


def test_no_request_waits_endlessly_for_a_frozen_postgresql(demo: Demo, procedure_key: str) -> None:
    for number in range(5):
        demo.put_procedure(procedure_key, title=f"Before {number}")

    with frozen_with_children(demo.services["pids"]["postgres"]):
        answers = [demo.put_procedure(procedure_key, title="Frozen")]
        ready = demo.client(None).get("/readyz")

    assert [answer.status_code for answer in answers] == [503]
    assert all("Retry-After" in answer.headers for answer in answers)
    assert ready.json()["postgresql"] == "down"
    eventually(lambda: demo.put_procedure(procedure_key, title="Thawed").status_code == 200)


def test_a_read_whose_lease_still_holds_is_answered_while_postgresql_is_frozen(demo: Demo) -> None:
    for _ in range(16):  # so that each worker has met the token, and holds the body
        demo.get("/procedures")

    with frozen_with_children(demo.services["pids"]["postgres"]):
        answers = [demo.get("/procedures") for _ in range(8)]

    assert [answer.status_code for answer in answers] == [200] * 8
