"""Two hundred commits on one run from eight threads whose answers are lost now and then: each is recorded once."""

import queue
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.system.demo import Demo

COMMITS, THREADS = 200, 8
LOST_ANSWERS = 0.3  # of all requests; each is sent again with the same key


def commit_until_answered(client: httpx.Client, path: str, key: str, lottery: random.Random) -> dict[str, object]:
    """Send a commit as a client on a bad network does: again and again, with the same key, until an answer arrives."""
    while True:
        answer = client.post(path, json={"note": key}, headers={"Idempotency-Key": key})
        if answer.status_code == 503:  # announced: nothing was written
            continue
        assert answer.status_code == 201, answer.text
        if lottery.random() >= LOST_ANSWERS:
            return dict(answer.json()["commit"])


def test_every_acknowledged_commit_is_in_the_ledger_once(demo: Demo) -> None:
    keys = [f"step-{number}" for number in range(COMMITS)]
    with demo.procedure(steps=[{"key": key, "title": key} for key in keys], ordering="any") as procedure_key:
        run_id = demo.start_run(procedure_key)
        work: queue.SimpleQueue[str] = queue.SimpleQueue()
        for key in keys:
            work.put(key)
        client, start = demo.client("operator"), threading.Barrier(THREADS)

        def operate(seed: int) -> list[dict[str, object]]:
            lottery = random.Random(seed)  # noqa: S311  # no secret
            acknowledged: list[dict[str, object]] = []
            start.wait(timeout=10)
            while True:
                try:
                    key = work.get_nowait()
                except queue.Empty:
                    return acknowledged
                path = f"/runs/{run_id}/steps/{key}/commit"
                acknowledged.append(commit_until_answered(client, path, key, lottery))

        with ThreadPoolExecutor(THREADS) as threads:
            acknowledged = [commit for commits in threads.map(operate, range(THREADS)) for commit in commits]
        run = demo.read(f"/runs/{run_id}")

    assert run["status"] == "completed"
    assert [commit["seq"] for commit in run["commits"]] == list(range(2, COMMITS + 2))
    assert sorted(commit["step_key"] for commit in run["commits"]) == sorted(keys)
    assert sorted(acknowledged, key=lambda commit: int(str(commit["seq"]))) == run["commits"]
