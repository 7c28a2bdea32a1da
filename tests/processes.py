"""The project's processes, started and watched from outside, for system tests, faults and benchmarks."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import psutil

from procedures_project.embedded import HOST, start_child
from tests import PROJECT_DIR

GRANIAN_END_SECONDS = 15.0

Truth = TypeVar("Truth")


def eventually(condition: Callable[[], Truth], seconds: float = 10.0) -> Truth:
    """Ask until the answer is true, and return it; fail the test at the deadline."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {condition}"
        time.sleep(0.02)
    return answer


def free_port() -> int:
    """Return a free port below those that outgoing connections get."""
    while True:
        port = 15_000 + secrets.randbelow(5_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def port_of(url: str) -> int:
    """Return the port that a URL names."""
    port = urlsplit(url).port
    assert port is not None, url
    return port


def clean_environment(**variables: str) -> dict[str, str]:
    """Return an environment in which only `variables` configure the service."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ} | variables


def service_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return an environment that the service can start in, if `variables` name its stores.

    All processes with the same `folder` look for static files there.
    """
    static_root = folder / "static"
    static_root.mkdir(exist_ok=True)
    own = {
        "SECRET_KEY": "wG7rT-4kPz_Qm9VbXe2LsYd8HnCj5Fua",
        "ALLOWED_HOSTS": HOST,
        "LOG_FORMAT": "json",
        "STATIC_ROOT": str(static_root),
    }
    return clean_environment(**own, **variables)


def run_python(module: str, *arguments: str, environment: dict[str, str]) -> str:
    """Run one of the project's modules as a separate process, and return what it prints.

    Raises:
        RuntimeError: it failed; the message is the end of its output.
    """
    process = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=PROJECT_DIR, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if process.returncode != 0:
        raise RuntimeError(f"{module} failed: {process.stderr[-4000:]}")
    return process.stdout


def is_gone(process: psutil.Process) -> bool:
    """Tell whether a process has ended, even if nobody has waited for it yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def processes_of(data_dir: Path) -> list[psutil.Process]:
    """Find the processes that work on a data directory, by their arguments, environment or working directory."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            traces = [*process.cmdline(), *process.environ().values(), process.cwd()]
            if process.pid != os.getpid() and any(str(data_dir) in trace for trace in traces):
                processes.append(process)
    return [process for process in processes if not is_gone(process)]


@contextlib.contextmanager
def frozen_with_children(pid: int) -> Iterator[None]:
    """Freeze a process, with all that it has started (SIGSTOP), inside the block."""
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.suspend()
    try:
        yield
    finally:
        for member in family:
            member.resume()


def serve_argv(port: int, workers: int) -> list[str]:
    """Return the command that starts the service in production."""
    return [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", str(workers)]


class Granian:
    """A web server with its workers, which cannot outlive this process. Use it from the main thread.

    Args:
        argv: The command that starts it.
        folder: A new one, for its log and its metrics.
        environment: What it finds in its environment, beside where the metrics are.
        source: The tree that it is started in.
    """

    def __init__(self, argv: list[str], folder: Path, environment: dict[str, str], source: Path = PROJECT_DIR) -> None:
        metrics_dir = folder / "metrics"
        metrics_dir.mkdir(parents=True)
        self.log_path = folder / "log"
        with open(self.log_path, "wb") as log:
            self._process = start_child(
                argv,
                end_signal=signal.SIGTERM,
                cwd=source,
                env={"PROMETHEUS_MULTIPROC_DIR": str(metrics_dir), **environment},
                output=log.fileno(),
            )

    @property
    def pid(self) -> int:
        """The process id of granian itself."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether granian itself has ended."""
        return self._process.poll() is not None

    def workers(self) -> list[psutil.Process]:
        """Return the workers that run."""
        children = psutil.Process(self._process.pid).children()
        return [child for child in children if not is_gone(child) and "resource_tracker" not in str(child.cmdline())]

    def stop(self) -> None:
        """End granian and its workers."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRANIAN_END_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # its session is its own: nobody else is in the group
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
