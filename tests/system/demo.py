"""The demo as a person gets it: `manage.py demo` as a separate process, watched and used from outside."""

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis import Redis

from procedures_project.embedded import HOST, end_with_parent
from tests import PROJECT_DIR
from tests.factories import body
from tests.processes import clean_environment, eventually, free_port, is_gone, processes_of
from tests.samples import Samples

BANNER_END = "Ctrl-C stops everything."
START_SECONDS = 60.0
END_SECONDS = 60.0  # a start that is under way ends at its next step, and a busy machine takes its time to migrate
LAST_LINES = 20  # of each log of a demo that is gone
LEASE_SECONDS = 5.0  # how long a fault may delay a change

# Its line for each request hides what the demo says.
logging.getLogger("httpx").setLevel(logging.WARNING)

# Making one takes longer than a request.
_TLS = ssl.create_default_context()

Answer = dict[str, Any]


def _end_with_this_process(parent_pid: int = os.getpid()) -> None:
    end_with_parent(signal.SIGTERM, parent_pid)


class DemoGone(Exception):
    """The demo no longer serves; the message says how it ended, with the last lines of its logs."""


class Demo:
    """A running demo: its files, its processes, its clients and its logs."""

    def __init__(self, data_dir: Path, *options: str, port: int | None = None, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.base_url = f"http://{HOST}:{self.port}"
        self.services: Answer = {}
        self._clients: dict[str | None, httpx.Client] = {}
        self._valkey: subprocess.Popen[bytes] | None = None
        self._events: list[Answer] = []
        self._events_read = 0
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        self._stdout = data_dir.with_name(f"{data_dir.name}-{self.port}.stdout")
        self._stderr = data_dir.with_name(f"{data_dir.name}-{self.port}.stderr")
        argv = [sys.executable, "manage.py", "demo", "--data-dir", str(data_dir), "--port", str(self.port), *options]
        with open(self._stdout, "wb") as stdout, open(self._stderr, "wb") as stderr:
            self.process = subprocess.Popen(
                argv,
                cwd=PROJECT_DIR,
                env=clean_environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # so that a test can send it what a terminal sends to a group
                preexec_fn=_end_with_this_process,  # noqa: PLW1509  # loads no library
            )

    # Start and end

    def wait_until_ready(self) -> "Demo":
        """Return when the banner has been printed."""
        eventually(lambda: BANNER_END in self.stdout or self.process.poll() is not None, START_SECONDS)
        if self.process.poll() is not None:
            raise self._gone()
        self.services = self.read_services()
        return self

    @contextlib.contextmanager
    def expected_to_serve(self) -> Iterator[None]:
        """Check before and after the block that it serves, because a refused connection would not say why it does not.

        Raises:
            DemoGone: it does not.
        """
        self._check_that_it_serves()
        yield
        self._check_that_it_serves()

    def wait_until_ended(self) -> int:
        """Return the exit code."""
        return self.process.wait(END_SECONDS)

    def interrupt(self) -> int:
        """Press Ctrl-C, and return the exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        return self.wait_until_ended()

    def stop(self) -> None:
        """End the demo and whatever a test has started for it."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if "redis" in self.__dict__:
            self.redis.close()
        try:
            if self.process.poll() is None:
                self.interrupt()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self._stop_valkey()
            if self.services:  # else the directory may be another demo's
                for survivor in processes_of(self.data_dir):
                    with contextlib.suppress(psutil.NoSuchProcess):  # it was ending
                        survivor.kill()

    def _check_that_it_serves(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), END_SECONDS):
                return
        # Its web server may have ended a moment before it.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        raise self._gone()

    def _gone(self) -> DemoGone:
        code = self.process.poll()
        fate = "runs, but does not listen" if code is None else f"has ended with exit code {code}"
        logs = [self._stdout, self._stderr, *sorted(self.data_dir.glob("*.log"))]
        return DemoGone("\n".join([f"The demo in {self.data_dir} {fate}.", *map(_last_lines, logs)]))

    # What it says

    @property
    def stdout(self) -> str:
        """What was printed for the person."""
        return self._stdout.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """The log."""
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def events(self, name: str, since: int = 0) -> list[Answer]:
        """Return the events with this name from the log, from number `since` of all events on."""
        self._read_events()
        return [event for event in self._events[since:] if event["event"] == name]

    def events_of(self, response: httpx.Response) -> dict[str, Answer]:
        """Return what was logged for a request, by name."""
        request_id = response.headers["X-Request-ID"]

        def logged() -> dict[str, Answer]:
            self._read_events()
            return {event["event"]: event for event in self._events if event.get("request_id") == request_id}

        return eventually(lambda: events if "request_finished" in (events := logged()) else None) or {}

    def count_events(self) -> int:
        """Return how many events have been logged so far."""
        self._read_events()
        return len(self._events)

    def _read_events(self) -> None:
        with open(self._stderr, "rb") as log:
            log.seek(self._events_read)
            complete, _, _ = log.read().rpartition(b"\n")
        self._events_read += len(complete) + 1 if complete else 0
        self._events += [json.loads(line) for line in complete.splitlines() if line.startswith(b"{")]

    # Its files

    def read_services(self) -> Answer:
        """Read services.json as it is now."""
        services: Answer = json.loads((self.data_dir / "services.json").read_text(encoding="utf-8"))
        return services

    @cached_property
    def tokens(self) -> dict[str, str]:
        """The tokens by role."""
        tokens: dict[str, str] = json.loads((self.data_dir / "tokens.json").read_text(encoding="utf-8"))
        return tokens

    # Its processes

    @property
    def pids(self) -> Answer:
        """The process ids in services.json as it is now."""
        pids: Answer = self.read_services()["pids"]
        return pids

    def descendants(self) -> list[psutil.Process]:
        """Return every process that the demo has started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    @contextlib.contextmanager
    def frozen(self, pid: int) -> Iterator[None]:
        """Freeze a process (SIGSTOP) inside the block."""
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def kill_valkey(self) -> None:
        """Kill Valkey, as the kernel does when memory is short."""
        if self._valkey is not None:
            self._stop_valkey()
            return
        valkey = psutil.Process(self.services["pids"]["redis"])
        valkey.kill()
        eventually(lambda: is_gone(valkey))

    def start_valkey(self) -> None:
        """Start Valkey again with the command from services.json, and return when it answers."""
        argv = self.read_services()["commands"]["redis"]
        self._valkey = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        eventually(self.valkey_answers)

    def valkey_answers(self) -> bool:
        """Tell whether Valkey answers."""
        with contextlib.suppress(Exception):
            return bool(self.redis.ping())
        return False

    def _stop_valkey(self) -> None:
        if self._valkey is not None:
            self._valkey.kill()
            self._valkey.wait()

    # Its data, behind its back

    @cached_property
    def redis(self) -> Redis:
        """A client of its Valkey."""
        return Redis.from_url(self.services["redis_url"], socket_timeout=5)

    def counters(self) -> dict[str, int]:
        """Return the cache's version counters that exist now, by key."""
        keys = [key.decode() for key in self.redis.scan_iter("procedures:*:version", count=1000)]
        values = {key: self.redis.get(key) for key in keys}
        return {key: int(value) for key, value in values.items() if isinstance(value, bytes)}

    def bumped_since(self, before: dict[str, int]) -> set[str]:
        """Return the keys of the counters that are new or higher than `before`; absent ones are unchanged."""
        after = self.counters()
        assert all(after[key] >= before[key] for key in after.keys() & before.keys()), "a counter went down"
        return {key for key, version in after.items() if version != before.get(key)}

    def samples(self) -> Samples:
        """Scrape /metrics."""
        return Samples(self.client(None).get("/metrics").raise_for_status().text)

    def cache_counts(self) -> Counter[str]:
        """Scrape the cache's counters; the difference of two drops what did not change."""
        return self.samples().cache_counts()

    # Its API

    def client(self, role: str | None) -> httpx.Client:
        """Return the client of a role. Each request has a fresh connection, so that any worker may answer it."""
        if role not in self._clients:
            self._clients[role] = httpx.Client(
                base_url=self.base_url,
                headers={"Authorization": f"Bearer {self.tokens[role]}"} if role else {},
                limits=httpx.Limits(max_keepalive_connections=0),
                timeout=30,
                trust_env=False,
                verify=_TLS,
            )
        return self._clients[role]

    def get(self, path: str) -> httpx.Response:
        """GET as viewer."""
        return self.client("viewer").get(path)

    def read(self, path: str) -> Any:
        """GET as viewer, and return the body of a 200."""
        response = self.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def post_procedure(self, definition: Answer) -> httpx.Response:
        """POST a procedure as author."""
        return self.client("author").post("/procedures", json=definition)

    def put_procedure(self, key: str, **members: Any) -> httpx.Response:
        """PUT a procedure as author, with the two plain steps of `factories.body` unless given."""
        return self.client("author").put(f"/procedures/{key}", json=body(key, **members), headers={"If-Match": "*"})

    def delete_procedure(self, key: str) -> httpx.Response:
        """DELETE a procedure as author."""
        return self.client("author").delete(f"/procedures/{key}", headers={"If-Match": "*"})

    def start_run(self, procedure_key: str) -> str:
        """Start a run as operator, and return its id."""
        response = self.client("operator").post("/runs", json={"procedure": procedure_key})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def commit(self, run_id: str, step_key: str, role: str = "operator", **members: Any) -> httpx.Response:
        """Commit a step."""
        return self.client(role).post(f"/runs/{run_id}/steps/{step_key}/commit", json=members)

    @contextlib.contextmanager
    def procedure(self, **members: Any) -> Iterator[str]:
        """Publish a procedure with a new key, and archive it after the block."""
        key = f"test-{secrets.token_hex(6)}"
        response = self.post_procedure(body(key, **members))
        assert response.status_code == 201, response.text
        try:
            yield key
        finally:
            self.delete_procedure(key)


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([f"--- the end of {log.name} ---", *lines[-LAST_LINES:]])


@contextlib.contextmanager
def running_demo(data_dir: Path, *options: str, **environment: str) -> Iterator[Demo]:
    """Run a demo inside the block."""
    demo = Demo(data_dir, *options, port=None, **environment)
    try:
        yield demo.wait_until_ready()
    finally:
        demo.stop()
