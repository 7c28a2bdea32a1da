"""The web server as a process of its own: how it stops, and what is answered meanwhile."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from procedures_project.embedded import HOST
from procedures_project.server import APPLICATION, server_argv
from tests import PROJECT_DIR
from tests.processes import Granian, eventually, free_port, serve_argv, service_environment

FOR_EVER = 600
FORM = b"a=b"
HEAD = (
    b"POST /admin/login/ HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\n"
)  # fmt: skip

Serve = Callable[[int], "Service"]


class Service:
    """A server with one worker.

    Args:
        granian: Its processes.
        port: Where it listens.
        folder: Where it keeps what it makes.
    """

    def __init__(self, granian: Granian, port: int, folder: Path) -> None:
        self.granian = granian
        self.port = port
        self.folder = folder
        self.http = httpx.Client(base_url=f"http://{HOST}:{port}", trust_env=False)

    def answers(self) -> bool:
        """Tell whether it answers."""
        try:
            return self.http.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def status(self) -> str:
        """Return what it says of its readiness."""
        return str(self.http.get("/readyz").json()["status"])

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal to granian."""
        os.kill(self.granian.pid, signum)

    def left_behind(self) -> list[Path]:
        """Return what it has made and not removed."""
        return list(self.folder.glob("procedures-*"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server that drains for so many seconds."""
    running: list[Service] = []
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def start(drain_seconds: int) -> Service:
        stores = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
        environment = service_environment(tmp_path, **stores, INSECURE_HTTP="1") | {"TMPDIR": str(temporary)}
        port = free_port()
        argv = [*serve_argv(port, workers=1), "--drain-seconds", str(drain_seconds)]
        service = Service(Granian(argv, tmp_path / f"granian-{port}", environment), port, temporary)
        running.append(service)
        eventually(service.answers, seconds=30)
        return service

    yield start
    for service in running:
        service.http.close()
        service.granian.stop()


def test_after_sigterm_it_says_that_it_drains_and_goes_on_answering(serve: Serve) -> None:
    service = serve(FOR_EVER)

    service.signal(signal.SIGTERM)

    assert eventually(lambda: service.status() == "draining")
    assert service.http.get("/readyz").status_code == 503
    assert service.http.get("/admin/login/").status_code == 200


def test_while_it_drains_each_answer_ends_its_connection_so_that_the_next_request_goes_elsewhere(serve: Serve) -> None:
    service = serve(FOR_EVER)
    assert "Connection" not in service.http.get("/admin/login/").headers

    service.signal(signal.SIGTERM)
    assert eventually(lambda: service.status() == "draining")

    assert service.http.get("/admin/login/").headers["Connection"] == "close"


def test_a_second_sigterm_ends_the_draining_and_nothing_is_left_behind(serve: Serve) -> None:
    service = serve(FOR_EVER)
    service.signal(signal.SIGTERM)
    assert eventually(lambda: service.status() == "draining")

    service.signal(signal.SIGTERM)

    assert eventually(lambda: service.granian.has_ended, seconds=30)
    assert service.left_behind() == []


def test_draining_ends_by_itself(serve: Serve) -> None:
    service = serve(1)

    service.signal(signal.SIGTERM)

    assert eventually(lambda: service.granian.has_ended, seconds=30)
    assert service.left_behind() == []


def test_whoever_presses_ctrl_c_does_not_wait_for_the_draining(serve: Serve) -> None:
    service = serve(FOR_EVER)

    service.signal(signal.SIGINT)

    assert eventually(lambda: service.granian.has_ended, seconds=30)


@pytest.mark.parametrize(
    ("variables", "application", "error"),
    [
        ({"CACHE_TTL": "60"}, APPLICATION, "CACHE_TTL is not a setting of this service; did you mean CACHE_LOG_HITS?"),
        ({}, "procedures_project.nothing:application", "Could not import 'procedures_project.nothing'."),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_events(
    tmp_path: Path, variables: dict[str, str], application: str, error: str
) -> None:
    stores = {name: os.environ[name] for name in ("DATABASE_URL", "REDIS_URL")}
    process = subprocess.run(
        server_argv(application, port=free_port()),
        cwd=PROJECT_DIR, env=service_environment(tmp_path, **stores, **variables),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    events = [json.loads(line) for line in process.stderr.splitlines()]
    assert (process.returncode, process.stdout) == (1, "")
    assert error in {event.get("error") for event in events if event["event"] == "start_failed"}


def test_a_request_that_is_under_way_when_the_server_stops_is_answered(serve: Serve) -> None:
    service = serve(0)

    with socket.create_connection((HOST, service.port)) as client:
        client.settimeout(30)
        client.sendall(HEAD + FORM[:1])
        assert service.answers()  # what came later: so the form's head has been read
        service.signal(signal.SIGTERM)
        eventually(lambda: not service.answers())
        client.sendall(FORM[1:])

        assert client.recv(1024).startswith(b"HTTP/1.1 403 ")  # the form has no token against forgery
    assert eventually(lambda: service.granian.has_ended, seconds=30)
