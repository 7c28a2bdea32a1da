"""What is done beside runs: tags edited in the admin, bundles imported, records exported."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import httpx

from tests import PROJECT_DIR
from tests.factories import body
from tests.faults.history.history import History, Write
from tests.faults.history.load import Procedure, tag_of
from tests.faults.soak.answers import Answers
from tests.faults.soak.editor import Editor
from tests.faults.soak.operators import Operator

PAUSE_SECONDS = 0.5
IMPORT_PAUSE_SECONDS = 5.0  # the command takes a second of CPU to start


class NumberedWrites:
    """A procedure that one chore alone writes to; what is acknowledged is noted in the history of the moment.

    Args:
        history: Returns that history.
        write: Gives the procedure a tag, and tells whether that was acknowledged.
        pause_seconds: Between two writes.
    """

    def __init__(
        self,
        client: str,
        key: str,
        history: Callable[[], History],
        write: Callable[[str], bool],
        pause_seconds: float,
    ) -> None:
        self.procedure = Procedure(key)
        self._client = client
        self._history = history
        self._write = write
        self._pause_seconds = pause_seconds

    def work(self, ending: threading.Event) -> None:
        """Write once."""
        procedure = self.procedure
        procedure.number += 1
        began = time.monotonic()
        if self._write(tag_of(procedure.number)):
            procedure.acknowledged = procedure.number
            write = Write(self._client, procedure.key, procedure.number, began, time.monotonic(), HTTPStatus.OK)
            self._history().writes.append(write)
        ending.wait(self._pause_seconds)


def edit_tags(editor: Editor, procedure_id: int) -> Callable[[str], bool]:
    """Return how the admin gives a procedure its tag."""
    return lambda tag: editor.set_tags(procedure_id, tag)


def import_bundle(folder: Path, key: str, environment: dict[str, str], answers: Answers) -> Callable[[str], bool]:
    """Return how an import gives a procedure its tag; an import that failed must have said why in one line."""
    bundle = folder / f"{key}.json"

    def write(tag: str) -> bool:
        fault_before = answers.fault
        procedure = body(key, tags=[tag], title=f"Imported as {tag}")
        bundle.write_text(json.dumps({"procedures": [procedure]}), encoding="utf-8")
        command = [sys.executable, "manage.py", "import_procedures", str(bundle)]
        ended = subprocess.run(
            command, cwd=PROJECT_DIR, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        answers.counts["import" if ended.returncode == 0 else "import: failed"] += 1
        faults = {fault_before, answers.fault}  # it may have ended meanwhile
        if ended.returncode and not any(fault and fault.breaks_postgresql for fault in faults):
            answers.wrong.append(f"import_procedures: {ended.stderr[-1000:]}")
        return ended.returncode == 0

    return write


class Exporter:
    """Someone who exports the records of finished runs, in both forms."""

    def __init__(self, client: httpx.Client, operators: list[Operator], answers: Answers) -> None:
        self._client = client
        self._operators = operators
        self._answers = answers

    def work(self, ending: threading.Event) -> None:
        """Export one run of each operator."""
        for operator in self._operators:
            if len(operator.runs) > 1:
                finished = operator.runs[-2].run_id
                for form in ("export.json", "export.csv"):
                    path = f"/runs/{finished}/{form}"
                    self._answers.request(self._client, form, "GET", path, expected=HTTPStatus.OK)
        ending.wait(PAUSE_SECONDS)
