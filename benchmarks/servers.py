"""The subjects, each a granian of its own: the service as production starts it, the others under WSGI, four threads."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.load import Connection, LoadError, request_bytes
from benchmarks.peers import PEERS
from procedures_project.embedded import HOST, start_child
from tests.system.demo import PROJECT_DIR, free_port, is_gone

START_SECONDS = 90.0
END_SECONDS = 15.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Subject:
    """What is measured: a WSGI application, or the service when there is none."""

    name: str
    application: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def argv(self, port: int, workers: int) -> list[str]:
        """Return the command that serves it; the service is started as production starts it."""
        if self.application is None:
            return [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", str(workers)]
        return [
            *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port)),
            *("--http", "1", "--no-ws", "--workers", str(workers), "--blocking-threads", "4"),
            *("--blocking-threads-idle-timeout", "600", "--backlog", "1024", "--backpressure", "256"),
            *("--workers-kill-timeout", "5", "--no-access-log", self.application),
        ]


def peer(module: str, *, is_gzip: bool = False) -> Subject:
    """Return a peer by its module's name."""
    settings = f"benchmarks.peers.{'gzip_settings' if is_gzip else 'settings'}"
    environment = {"PEER": module, "DJANGO_SETTINGS_MODULE": settings}
    return Subject(module, "benchmarks.peers.wsgi:application", environment)


OURS = Subject("ours")
BARE_VIEW = Subject("bare_view", "benchmarks.floors.bare_view:application")
BARE_WSGI = Subject("bare_wsgi", "benchmarks.floors.bare_wsgi:application")
ALL_PEERS = [peer(module) for module in PEERS]
GZIP_PEERS = [peer(module, is_gzip=True) for module in PEERS]


class Server:
    """A subject that runs."""

    def __init__(self, subject: Subject, folder: Path, environment: dict[str, str], workers: int) -> None:
        self.subject = subject
        self.port = free_port()
        self._workers = workers
        home = folder / f"{subject.name}-{self.port}"
        (home / "metrics").mkdir(parents=True)
        self.log_path = home / "log"
        own = {"PROMETHEUS_MULTIPROC_DIR": str(home / "metrics"), **subject.environment}
        with open(self.log_path, "wb") as log:
            self._granian = start_child(
                subject.argv(self.port, workers),
                end_signal=signal.SIGTERM,
                cwd=PROJECT_DIR,
                env=environment | own,
                output=log.fileno(),
            )

    def wait_until_serving(self, path: str, token: str) -> None:
        """Return when a request is answered and all workers are there."""
        deadline = time.monotonic() + START_SECONDS
        while not (self._answers(path, token) and len(self.workers()) == self._workers):
            if self._granian.poll() is not None or time.monotonic() > deadline:
                raise LoadError(f"{self.subject.name} does not serve: {self.log_path.read_text()[-2000:]}")
            time.sleep(POLL_SECONDS)

    def workers(self) -> list[psutil.Process]:
        """Return the workers that run."""
        children = psutil.Process(self._granian.pid).children()
        return [child for child in children if not is_gone(child) and "resource_tracker" not in str(child.cmdline())]

    def stop(self) -> None:
        """End granian and its workers."""
        self._granian.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._granian.wait(END_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # its session is its own: nobody else is in the group
            os.killpg(self._granian.pid, signal.SIGKILL)
        self._granian.wait()

    def _answers(self, path: str, token: str) -> bool:
        try:
            with Connection(HOST, self.port) as connection:
                return connection.exchange(request_bytes("GET", path, token)).status == 200
        except OSError:
            return False


@contextlib.contextmanager
def serving(  # noqa: PLR0913  # where, what, and how to tell that it serves
    subjects: Sequence[Subject],
    folder: Path,
    environment: dict[str, str],
    *,
    path: str,
    token: str,
    workers: int = 1,
) -> Iterator[dict[str, Server]]:
    """Run the subjects inside the block, by name; they start side by side. To be called from the main thread."""
    with contextlib.ExitStack() as stack:
        servers = []
        for subject in subjects:
            server = Server(subject, folder, environment, workers)
            stack.callback(server.stop)
            servers.append(server)
        for server in servers:
            server.wait_until_serving(path, token)
        yield {server.subject.name: server for server in servers}
