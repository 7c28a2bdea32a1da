"""The subjects, each a granian of its own: the service as production starts it, the others under WSGI, four threads."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import Connection, LoadError, request_bytes
from benchmarks.peers import PEERS
from procedures_project.embedded import HOST
from tests import PROJECT_DIR
from tests.processes import Granian, free_port, serve_argv

START_SECONDS = 90.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Subject:
    """What is measured: a WSGI application, or the service of a tree when there is none."""

    name: str
    application: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    source: Path = PROJECT_DIR

    def argv(self, port: int, workers: int) -> list[str]:
        """Return the command that serves it; the service is started as production starts it."""
        if self.application is None:
            return serve_argv(port, workers)
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


class Server(Granian):
    """A subject that runs."""

    def __init__(self, subject: Subject, folder: Path, environment: dict[str, str], workers: int) -> None:
        self.subject = subject
        self.port = free_port()
        self._worker_count = workers
        home = folder / f"{subject.name}-{self.port}"
        super().__init__(subject.argv(self.port, workers), home, environment | subject.environment, subject.source)

    def wait_until_serving(self, path: str, token: str) -> None:
        """Return when a request is answered and all workers are there."""
        deadline = time.monotonic() + START_SECONDS
        while not (self._answers(path, token) and len(self.workers()) == self._worker_count):
            if self.has_ended or time.monotonic() > deadline:
                raise LoadError(f"{self.subject.name} does not serve: {self.log_path.read_text()[-2000:]}")
            time.sleep(POLL_SECONDS)

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
