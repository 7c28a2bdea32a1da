"""The web server: granian with the options that the gate needs, in production and in the demo alike (ADR 12).

`python -m procedures_project.server` runs it. On SIGTERM, /readyz first says `draining` for a while, so that load
balancers have time to send requests elsewhere; then the listener closes, and requests under way are finished. SIGHUP is
refused: a new environment or new code needs a new server.
"""

import os
import signal
import sys
import tempfile
import threading
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from granian._internal import load_target
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server import MPServer

from procedures_project.logging_config import SERVERS_LOGGING, log_before_settings
from procedures_project.start_failures import log_start_failure

logger = structlog.get_logger(__name__)

HEADER_SECONDS = 10
HEADER_BYTES = 16_384
BACKLOG = 4_096
APPLICATION = "procedures_project.asgi:application"
CONNECTIONS = 8_192  # of a worker, at once; an idle one costs a few KB
WORKERS_KILL_TIMEOUT_SECONDS = 5


class Server(MPServer):
    """granian, which drains before it stops, and does not reload."""

    def __init__(self, target: str, *, drain_seconds: float, **options: Any) -> None:
        super().__init__(
            target,
            interface=Interfaces.ASGI,
            http=HTTPModes.http1,
            loop=Loops.uvloop,
            websockets=False,
            backlog=BACKLOG,
            http1_settings=HTTP1Settings(max_buffer_size=HEADER_BYTES, header_read_timeout=HEADER_SECONDS * 1000),
            respawn_failed_workers=True,
            respawn_interval=1,
            workers_kill_timeout=WORKERS_KILL_TIMEOUT_SECONDS,
            log_access=False,
            log_dictconfig=SERVERS_LOGGING,
            **options,
        )
        self._drain_seconds = drain_seconds
        self._drain_file = Path(tempfile.mkdtemp(prefix="procedures-")) / "draining"
        os.environ["DRAIN_FILE"] = str(self._drain_file)  # the workers look for it

    def signal_handler_interrupt(self, signum: int = signal.SIGINT, *_frame: Any) -> None:
        """Stop; on SIGTERM only after a while in which /readyz says so. A second signal stops at once."""
        if signum != signal.SIGTERM or not self._drain_seconds or self._drain_file.exists():
            super().signal_handler_interrupt()  # type: ignore[no-untyped-call]
            return
        self._drain_file.touch()
        timer = threading.Timer(self._drain_seconds, super().signal_handler_interrupt)
        timer.daemon = True
        timer.start()

    def signal_handler_reload(self, *_arguments: Any) -> None:
        """Refuse SIGHUP, and go on serving.

        granian would stop each worker a second after starting its successor, which needs longer before it answers; and
        new code in the workers would not fit the old environment and the old server process.
        """
        # In a thread: the code that the signal interrupted may hold the log's lock.
        threading.Thread(target=_say_that_reloading_is_refused, daemon=True).start()

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop, and leave nothing behind."""
        self._drain_file.unlink(missing_ok=True)
        self._drain_file.parent.rmdir()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]


def _say_that_reloading_is_refused() -> None:
    logger.warning("reload_refused", signal="SIGHUP", instead="start another instance, then end this one by SIGTERM")


def load_application(target: str) -> Any:
    """Load what a worker serves; where that fails, log why and end the worker."""
    try:
        return load_target(target)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is an event
        log_start_failure(error)
        sys.exit(1)


def server_argv(application: str = APPLICATION, **options: object) -> list[str]:
    """Return the command line that serves an application; `options` are those of `main`."""
    named = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "procedures_project.server", *named, application]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal comes."""
    parser = ArgumentParser(prog="procedures_project.server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--socket", type=Path, help="a Unix socket, in place of host and port")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="of a worker, at once")
    parser.add_argument("--drain-seconds", type=float, default=0.0)
    parser.add_argument("application")
    options = parser.parse_args(arguments)
    log_before_settings(os.environ)
    server = Server(
        options.application,
        address=options.host,
        port=options.port,
        uds=options.socket,
        workers=options.workers,
        backpressure=options.connections,
        drain_seconds=options.drain_seconds,
    )
    try:
        server.serve(target_loader=load_application)
    except Exception as error:  # noqa: BLE001  # such as a socket that cannot be had
        log_start_failure(error)
        sys.exit(1)


if __name__ == "__main__":
    main()
