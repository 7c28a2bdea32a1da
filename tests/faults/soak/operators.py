"""Operators who execute runs, and repeat every request under its key until it is acknowledged."""

import itertools
import random
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from tests.faults.history.cluster import Cluster
from tests.faults.soak.answers import Answers

STEPS = 6
REPEATED_SHARE = 0.2  # of the acknowledged requests, as if the answer had been lost


@dataclass
class Acknowledged:
    """What one run was acknowledged: the keys of its events, in the order in which they were recorded."""

    run_id: str
    keys: list[str] = field(default_factory=list)


class Operator:
    """One operator, with runs of their own, one after another."""

    def __init__(self, name: str, procedure_key: str, client: httpx.Client, answers: Answers) -> None:
        self.runs: list[Acknowledged] = []
        self.changed_replays: list[str] = []
        self._name = name
        self._procedure_key = procedure_key
        self._client = client
        self._answers = answers
        self._numbers = itertools.count(1)
        self._chance = random.Random(name)  # noqa: S311  # no secret

    def work(self, ending: threading.Event) -> None:
        """Execute one run to its end, or as far as there is time."""
        begun = {"procedure": self._procedure_key, "external_ref": f"{self._name}-{len(self.runs)}"}
        started = self._until_acknowledged(ending, "start", "/runs", begun)
        if started is None:
            return
        run = Acknowledged(started[1].json()["id"], [started[0]])
        self.runs.append(run)
        for path, body in self._events_of(run.run_id):
            acknowledged = self._until_acknowledged(ending, path.rpartition("/")[2], path, body)
            if acknowledged is None:
                return
            run.keys.append(acknowledged[0])
            ending.wait(0.05)

    @staticmethod
    def _events_of(run_id: str) -> list[tuple[str, dict[str, Any]]]:
        steps = f"/runs/{run_id}/steps"
        amended = {"amends": 2, "reason": "Misread.", "values": {"amount": 12.5}}
        return [
            (f"{steps}/step-0/commit", {"values": {"amount": 12.25}}),
            (f"{steps}/step-0/amend", amended),
            (f"/runs/{run_id}/pause", {"reason": "Shift change."}),
            (f"/runs/{run_id}/resume", {}),
            (f"{steps}/step-1/skip", {"reason": "Done before."}),
            *[(f"{steps}/step-{number}/commit", {"note": f"Note {number}"}) for number in range(2, STEPS)],
        ]

    def _until_acknowledged(
        self, ending: threading.Event, doing: str, path: str, body: dict[str, Any]
    ) -> tuple[str, httpx.Response] | None:
        """Send a request until it succeeds, and return its key and its answer; None if there is no more time."""
        key = f"{self._name}-{next(self._numbers)}"
        while True:
            response = self._send(doing, path, key, body)
            if response is not None:
                break
            if ending.wait(0.1):
                return None
        if self._chance.random() < REPEATED_SHARE:
            self._repeat(path, key, body, response)
        return key, response

    def _send(self, doing: str, path: str, key: str, body: dict[str, Any]) -> httpx.Response | None:
        is_verb_of_the_head = doing in {"pause", "resume"}
        return self._answers.request(
            self._client,
            doing,
            "POST",
            path,
            expected=HTTPStatus.OK if is_verb_of_the_head else HTTPStatus.CREATED,
            json=body,
            headers={"Idempotency-Key": key},
        )

    def _repeat(self, path: str, key: str, body: dict[str, Any], first: httpx.Response) -> None:
        again = self._send(path.rpartition("/")[2], path, key, body)
        if again is not None and (again.content != first.content or "Idempotent-Replayed" not in again.headers):
            self.changed_replays.append(f"{path}: {first.text} was answered, then {again.text}")


def unlike_the_ledger(cluster: Cluster, operators: list[Operator]) -> list[str]:
    """Return, in words, what was acknowledged and is not in the database exactly once and in order, or beside it."""
    found: list[str] = []
    for operator in operators:
        found += operator.changed_replays
        for run in operator.runs:
            rows = cluster.sql("SELECT idempotency_key FROM runs_runevent WHERE run_id = %s ORDER BY seq", run.run_id)
            recorded = [key for (key,) in rows]
            # The first event is recorded with the run, whose key it is; the last request may have been given up.
            if recorded[1 : len(run.keys)] != run.keys[1:] or len(recorded) > len(run.keys) + 1:
                found.append(f"run {run.run_id}: {run.keys} were acknowledged, {recorded} recorded")
        ((runs, references),) = cluster.sql(
            "SELECT count(*), count(DISTINCT external_ref) FROM runs_run WHERE external_ref LIKE %s",
            f"{operator._name}-%",
        )
        if runs != references:
            found.append(f"{runs} runs were started for {references} requests")
    return found
