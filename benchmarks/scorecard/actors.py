"""The processes of a contestant, as whoever directs them sees them."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, cast

from benchmarks.scorecard.contestants import Contestant
from benchmarks.scorecard.player import Message, Stop, Way
from procedures_project.embedded import end_with_parent
from tests import PROJECT_DIR

START_SECONDS = 60.0
ANSWER_SECONDS = 60.0  # a library's defaults can wait that long for a frozen Redis


class ActorError(RuntimeError):
    """A process of a contestant does not do what it is told."""


class Actor:
    """The handle of one process of a contestant. To be used from the main thread."""

    def __init__(self, contestant: Contestant, token: str, environment: dict[str, str], log_path: Path) -> None:
        argv = [sys.executable, "-m", "benchmarks.scorecard.player", contestant.application, token]
        parent_pid = os.getpid()
        with open(log_path, "ab") as log:
            self._process = subprocess.Popen(
                argv,
                cwd=PROJECT_DIR,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                preexec_fn=lambda: end_with_parent(signal.SIGKILL, parent_pid),  # noqa: PLW1509  # loads no library
            )
        self._commands = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self._is_ready = False

    def wait_until_ready(self) -> None:
        """Return when it can be told something."""
        if not self._is_ready:
            self.answer(START_SECONDS)
            self._is_ready = True

    def begin_read(self, stop: Stop | None = None) -> None:
        """Let it read, up to a point."""
        self._tell({"verb": "read", "stop": stop})

    def begin_write(self, way: Way, number: int, stop: Stop | None = None) -> None:
        """Let it write, up to a point."""
        self._tell({"verb": "write", "way": way, "number": number, "stop": stop})

    def wait_until_stopped(self) -> None:
        """Return when it has come to the point."""
        message = self.answer()
        if "stopped" not in message:
            raise ActorError(f"it did not come to the point, and said {message}")

    def go_on(self) -> None:
        """Let it leave the point."""
        self._write_line("")

    def answer(self, seconds: float = ANSWER_SECONDS) -> Message:
        """Return what it says next.

        Raises:
            queue.Empty: it says nothing.
            ActorError: it has ended.
        """
        line = self._lines.get(timeout=seconds)
        if not line:
            raise ActorError("it has ended; its log says why")
        message: Message = json.loads(line)
        return message

    def kill(self) -> None:
        """Kill it, as the kernel does when memory is short."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._commands.close()
        self._answers.close()

    def _tell(self, command: Message) -> None:
        self._write_line(json.dumps(command))

    def _write_line(self, line: str) -> None:
        self._commands.write(line + "\n")
        self._commands.flush()

    def _listen(self) -> None:
        for line in self._answers:
            self._lines.put(line)
        self._lines.put("")
