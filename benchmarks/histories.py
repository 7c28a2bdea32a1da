"""Runs with histories of a chosen length, made over HTTP as operators make them."""

import json
from typing import Any

from benchmarks.load import Connection, LoadError, request_bytes

PROCEDURE = "procedure-0001"


class Operator:
    """Somebody who starts runs, commits and amends, on one kept connection."""

    def __init__(self, connection: Connection, token: str) -> None:
        self._connection = connection
        self._token = token

    def start(self) -> str:
        """Start a run of the workload's first procedure, and return its id."""
        return str(self._post("/runs", {"procedure": PROCEDURE})["id"])

    def start_with(self, events: int) -> str:
        """Start a run whose history has so many events: its start, one commit, and amendments of it."""
        run_id = self.start()
        newest = self.commit(run_id, position=1)["commit"]["seq"]
        for _ in range(events - 2):
            amendment = {"amends": newest, "values": {"reading": newest % 100}, "checklist": {}, "reason": "Misread."}
            newest = self._post(f"/runs/{run_id}/steps/step-001/amend", amendment)["commit"]["seq"]
        return run_id

    def commit(self, run_id: str, position: int) -> dict[str, Any]:
        """Commit the step at a position."""
        return self._post(commit_path(run_id, position), COMMIT)

    def _post(self, path: str, body: object) -> dict[str, Any]:
        answer = self._connection.exchange(request_bytes("POST", path, self._token, body=body))
        if answer.status != 201:
            raise LoadError(f"{path} answered {answer.status}: {answer.body.decode()}")
        content: dict[str, Any] = json.loads(answer.body)
        return content


COMMIT = {"values": {"reading": 42}, "checklist": {}}


def commit_path(run_id: str, position: int) -> str:
    """Return where the step at a position is committed."""
    return f"/runs/{run_id}/steps/step-{position:03}/commit"
