"""What the demo's workers serve: the application, once `services.json` lists the worker that serves it."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

from procedures_project.embedded import end_with_parent

LISTED_TIMEOUT_SECONDS = 15.0


def _end_with_granian() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        end_with_parent(signal.SIGKILL, parent.pid)
    # A fork inherits granian's handler, which would swallow a SIGTERM until the worker has its own.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _wait_until_listed(services_path: Path) -> None:
    """Wait for the supervisor to list this process: whoever is answered finds every process id there."""
    deadline = time.monotonic() + LISTED_TIMEOUT_SECONDS
    while not _is_listed(services_path):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{services_path} does not list this worker: does the demo still run?")
        time.sleep(0.02)


def _is_listed(services_path: Path) -> bool:
    try:
        services = json.loads(services_path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    return os.getpid() in services["pids"]["workers"]


_end_with_granian()
_wait_until_listed(Path(os.environ["DEMO_SERVICES_FILE"]))

from procedures_project.asgi import application  # noqa: E402  only now, see above

__all__ = ["application"]
