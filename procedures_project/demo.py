"""The demo's supervisor: starts servers, data and workers, watches them, and leaves nothing behind.

It is called before Django has settings, because they come from the servers that it starts.
"""

import argparse
import contextlib
import errno
import http.client
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

import django
from django.core.management import call_command
from django.db import connections

from procedures_project.embedded import (
    HOST,
    EmbeddedServers,
    EmbeddedServersError,
    answering_valkey_pid,
    embedded_servers,
    start_child,
    write_private_file,
)
from procedures_project.environment import WrongEnvironment
from procedures_project.environment_rules import PORT, WORKERS, option_type
from procedures_project.log_output import STANDARD_ERROR
from procedures_project.server import WORKERS_KILL_TIMEOUT_SECONDS, server_argv

if TYPE_CHECKING:
    import psutil

PROJECT_DIR = Path(__file__).resolve().parents[1]
POLL_SECONDS = 0.2
SERVING_TIMEOUT_SECONDS = 60.0
# Longer than granian itself waits for its workers.
GRANIAN_STOP_TIMEOUT_SECONDS = WORKERS_KILL_TIMEOUT_SECONDS + 3


BANNER_FILE = "banner.txt"
LOG_FILE = "service.log"
ANOTHER_PORT = "choose another, such as `make demo PORT=8001` or `manage.py demo --port 8001`"


class _StopRequested(Exception):
    """Somebody wants the demo to end."""


class _DemoFailed(Exception):
    """The demo cannot go on; the reason has been said."""


def main(argv: list[str]) -> int:
    """Run the demo until Ctrl-C, SIGTERM, SIGHUP or a failure, and return the exit code."""
    options = _options(argv)
    if options.show:
        return _show(options.data_dir)
    stop_signals = _StopSignals()
    try:
        with _reserved_port(options.port), _log_away_from_terminal(options.data_dir):
            _run(options, stop_signals)
    except _StopRequested:
        _say("Everything is stopped; the data is kept.")
        return 0
    except (EmbeddedServersError, WrongEnvironment) as error:
        _say(str(error))
    except FileExistsError as error:
        _say(f"{error.filename} is not a directory.")
    except _DemoFailed:
        pass
    return 1


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="manage.py demo", description="Run the whole service here, with its own PostgreSQL and Valkey."
    )
    parser.add_argument("--port", type=option_type(PORT), default=8000)
    parser.add_argument("--data-dir", type=Path, default=Path(".demo"), help="kept for the next time")
    parser.add_argument("--workers", type=option_type(WORKERS), default=2)
    parser.add_argument("--no-sample-data", dest="sample_data", action="store_false")
    parser.add_argument("--show", action="store_true", help="print again what the running demo said, with the login")
    return parser.parse_args(argv)


def _show(data_dir: Path) -> int:
    """Print the banner of the demo that runs there, and return the exit code."""
    banner = data_dir / BANNER_FILE
    if not banner.exists():
        _say(f"No demo runs in {data_dir}.")
        return 1
    _say(banner.read_text(encoding="utf-8"), sys.stdout)
    return 0


@contextlib.contextmanager
def _log_away_from_terminal(data_dir: Path) -> Iterator[None]:
    """Send all logs to a file if they would go to a terminal, where they would bury what the demo says."""
    if not sys.stderr.isatty():
        yield
        return
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    terminal = os.dup(sys.stderr.fileno())
    with open(data_dir / LOG_FILE, "wb") as log, os.fdopen(terminal, "w", closefd=False) as voice:
        os.dup2(log.fileno(), sys.stderr.fileno())
        _Voice.terminal = voice
        try:
            yield
        finally:
            _Voice.terminal = None
            os.dup2(terminal, sys.stderr.fileno())
            os.close(terminal)


class _Voice:
    """Where the demo speaks to a person, if that is not where everybody logs."""

    terminal: TextIO | None = None


class _StopSignals:
    """Remembers that a signal asked to stop; until the end, so that a second one interrupts no clean-up.

    A flag: a handler that sets a `threading.Event` may wait for a lock that the interrupted code holds.
    """

    def __init__(self) -> None:
        self._received = False
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self._remember)
        # nohup ignores this one, on purpose.
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._remember)

    def _remember(self, _signum: int, _frame: FrameType | None) -> None:
        self._received = True

    def check(self) -> None:
        """Raise `_StopRequested` if a signal has arrived."""
        if self._received:
            _say("Stopping everything…")
            raise _StopRequested


@contextlib.contextmanager
def _reserved_port(port: int) -> Iterator[None]:
    """Refuse a port in use, then keep it from others, such as another demo, until granian listens.

    granian itself would share the port with another granian, and nobody would know who answers.
    """
    with socket.socket() as probe:
        # Connections of an earlier demo may linger (TIME_WAIT).
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            _fail(f"port {port} is in use: {ANOTHER_PORT}" if in_use else f"port {port}: {error.strerror}")
    with socket.socket() as reservation:
        # Bound without listening: it takes no connection, and granian, which sets the same option, can join.
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with contextlib.suppress(OSError):
            reservation.bind((HOST, port))
        yield


def _run(options: argparse.Namespace, stop_signals: _StopSignals) -> NoReturn:
    data_dir: Path = options.data_dir.resolve()
    services_path = data_dir / "services.json"
    banner_path = data_dir / BANNER_FILE
    _say_on_terminal(f"Starting PostgreSQL and Valkey; everybody logs to {data_dir / LOG_FILE}")
    with embedded_servers(data_dir) as servers:
        services_path.unlink(missing_ok=True)
        banner_path.unlink(missing_ok=True)
        stop_signals.check()
        kept = _kept_secrets(data_dir)
        _say_on_terminal("Preparing the database")
        _set_environment(data_dir, servers, kept["SECRET_KEY"])
        tokens = _prepare_application(data_dir, kept["ADMIN_PASSWORD"], sample_data=options.sample_data)
        stop_signals.check()
        with _granian(options.port, options.workers, services_path, data_dir / "metrics") as granian:
            supervisor = _Supervisor(options, servers, granian, services_path)
            supervisor.wait_until_serving(stop_signals)
            banner = _banner(supervisor.base_url, data_dir, kept["ADMIN_PASSWORD"], tokens["viewer"])
            write_private_file(banner_path, banner)
            _say(banner, sys.stdout)
            try:
                supervisor.watch(stop_signals)
            finally:
                banner_path.unlink(missing_ok=True)


def _kept_secrets(data_dir: Path) -> dict[str, str]:
    path = data_dir / "secrets.json"
    if not path.exists():
        fresh = {"SECRET_KEY": secrets.token_urlsafe(50), "ADMIN_PASSWORD": secrets.token_urlsafe(12)}
        write_private_file(path, json.dumps(fresh, indent=2) + "\n")
    return _read_json(path)


def _read_json(path: Path) -> dict[str, str]:
    return cast(dict[str, str], json.loads(path.read_text(encoding="utf-8")))


def _set_environment(data_dir: Path, servers: EmbeddedServers, secret_key: str) -> None:
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # what this process counts is not what the service did
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "procedures_project.settings",
        "DATABASE_URL": servers.database_url,
        "REDIS_URL": servers.redis_url,
        "SECRET_KEY": secret_key,
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "INSECURE_HTTP": "1",
        "METRICS_OPEN_TO_LOOPBACK": "1",
        "STATIC_ROOT": str(data_dir / "static"),
    }


def _prepare_application(data_dir: Path, admin_password: str, *, sample_data: bool) -> dict[str, str]:
    """Migrate, load the data and write `tokens.json`; return the tokens by role."""
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)

    from procedures_project import demo_data  # its models need django.setup()

    tokens_path = data_dir / "tokens.json"
    tokens = demo_data.load(
        sample_data=sample_data,
        admin_password=admin_password,
        known_tokens=_read_json(tokens_path) if tokens_path.exists() else {},
    )
    write_private_file(tokens_path, json.dumps(tokens, indent=2) + "\n")
    connections.close_all()
    return tokens


@contextlib.contextmanager
def _granian(port: int, workers: int, services_path: Path, metrics_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    shutil.rmtree(metrics_dir, ignore_errors=True)
    metrics_dir.mkdir(mode=0o700)
    argv = server_argv(
        host=HOST,
        port=port,
        workers=workers,
        application="procedures_project.demo_asgi:application",
    )
    own = {"DEMO_SERVICES_FILE": str(services_path), "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir)}
    # Standard output is for our banner alone.
    granian = start_child(
        argv, end_signal=signal.SIGKILL, cwd=PROJECT_DIR, env={**os.environ, **own}, output=STANDARD_ERROR
    )
    try:
        yield granian
    finally:
        _stop_granian(granian)
        # Its process ids will be other processes' some day.
        services_path.unlink(missing_ok=True)


def _stop_granian(granian: subprocess.Popen[bytes]) -> None:
    # A frozen process (SIGSTOP) would not notice that it is asked.
    _signal_group(granian, signal.SIGCONT)
    granian.terminate()
    for _ in range(GRANIAN_STOP_TIMEOUT_SECONDS):
        with contextlib.suppress(subprocess.TimeoutExpired):
            granian.wait(1)
            break
        # Asked again, with its workers: each misses a SIGTERM that comes while it starts or another starts.
        _signal_group(granian, signal.SIGTERM)
    # The workers outlive a granian that was killed.
    _signal_group(granian, signal.SIGKILL)
    granian.wait()


def _signal_group(granian: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(granian.pid, signum)


class _Supervisor:
    """Watches the demo's processes, and keeps `services.json` true."""

    def __init__(
        self,
        options: argparse.Namespace,
        servers: EmbeddedServers,
        granian: subprocess.Popen[bytes],
        services_path: Path,
    ) -> None:
        self.base_url = f"http://{HOST}:{options.port}"
        self._port: int = options.port
        self._worker_count: int = options.workers
        self._servers = servers
        self._granian = granian
        self._services_path = services_path
        self._workers: list[psutil.Process] = []
        self._valkey_pid: int | None = servers.valkey.pid
        self._published = ""

    def wait_until_serving(self, stop_signals: _StopSignals) -> None:
        """Return when /healthz answers 200."""
        deadline = time.monotonic() + SERVING_TIMEOUT_SECONDS
        while not self._answers():
            stop_signals.check()
            self._look_around()
            if time.monotonic() > deadline:
                _fail(f"the service did not answer within {SERVING_TIMEOUT_SECONDS:g} s")
            time.sleep(0.05)

    def watch(self, stop_signals: _StopSignals) -> NoReturn:
        """Watch until a signal or a failure ends the demo."""
        try:
            while True:
                stop_signals.check()
                self._look_around()
                time.sleep(POLL_SECONDS)
        finally:
            if self._valkey_pid not in (None, self._servers.valkey.pid):
                _say(f"Valkey (pid {self._valkey_pid}) was not started by the demo: it is left running.")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _look_around(self) -> None:
        if self._granian.poll() is not None:
            _fail(f"granian, the web server, ended (exit code {self._granian.returncode}): the demo ends too.")
        if not self._servers.postgres.is_alive:
            _fail(f"PostgreSQL ended, see {self._servers.postgres.log_path}: the demo ends too.")
        self._look_at_valkey()
        self._look_at_workers()
        self._publish()

    def _look_at_valkey(self) -> None:
        valkey = self._servers.valkey
        pid = valkey.pid if valkey.is_alive else answering_valkey_pid(self._servers.redis_url)
        if pid == self._valkey_pid:
            return
        if self._valkey_pid is not None:
            _say(
                "Valkey stopped: reads come from PostgreSQL until it is back; "
                f"start it again with: {shlex.join(valkey.argv)}"
            )
        if pid is not None:
            _say(f"Valkey is back (pid {pid}), started by somebody else.")
        self._valkey_pid = pid

    def _look_at_workers(self) -> None:
        import psutil  # of the optional extra: embedded_servers() has already explained its absence

        # Looking for children reads every process of the machine, so only when one is missing.
        if len(self._workers) == self._worker_count and all(worker.is_running() for worker in self._workers):
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            self._workers = [child for child in psutil.Process(self._granian.pid).children() if _is_worker(child)]

    def _publish(self) -> None:
        # Workers wait to be listed before they answer: all are, when the first one answers.
        if not self._published and len(self._workers) < self._worker_count:
            return
        services = {
            "base_url": self.base_url,
            "database_url": self._servers.database_url,
            "redis_url": self._servers.redis_url,
            "pids": {
                "server": self._granian.pid,
                "workers": sorted(worker.pid for worker in self._workers),
                "postgres": self._servers.postgres.pid,
                "redis": self._valkey_pid or self._servers.valkey.pid,
            },
            "commands": {"redis": self._servers.valkey.argv},
        }
        text = json.dumps(services, indent=2) + "\n"
        if text != self._published:
            write_private_file(self._services_path, text)
            self._published = text


def _is_worker(child: "psutil.Process") -> bool:
    """Tell a worker from the resource tracker that multiprocessing adds where it does not fork."""
    import psutil

    try:
        return child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in " ".join(child.cmdline())
    except psutil.NoSuchProcess:
        return False


def _banner(base_url: str, data_dir: Path, admin_password: str, viewer_token: str) -> str:
    return f"""
The procedures service runs at {base_url}

  Admin     {base_url}/admin/  (login: admin, password: {admin_password})
  API docs  {base_url}/docs
  Metrics   {base_url}/metrics
  Try       curl -H 'Authorization: Bearer {viewer_token}' {base_url}/procedures

  Files in {data_dir}:
    tokens.json                 one token per role: viewer, operator, supervisor, author, admin
    services.json               addresses and process ids of everything that runs
    postgres.log, valkey.log    what the embedded servers say
    service.log                 what the service logs, if that is not redirected

To read this again: manage.py demo --show
Ctrl-C stops everything.
"""


def _fail(reason: str) -> NoReturn:
    _say(reason)
    raise _DemoFailed


def _say(text: str, stream: TextIO | None = None) -> None:
    # The terminal may be gone (SIGHUP); that must not keep the demo from stopping its children.
    with contextlib.suppress(OSError):
        print(text, file=stream or _Voice.terminal or sys.stderr, flush=True)


def _say_on_terminal(text: str) -> None:
    """Tell a waiting person how far the start has come."""
    if _Voice.terminal is not None:
        _say(text)
