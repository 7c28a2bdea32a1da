"""How the web server is run, in production and in the demo alike.

The reasons for each option are in docs/adr/0003-granian.md.
"""

import sys

# Requests in the database at once are workers x threads, and so are its connections.
BLOCKING_THREADS = 4
WORKERS_KILL_TIMEOUT_SECONDS = 5


def granian_argv(
    *, host: str, port: int, workers: int, application: str = "procedures_project.wsgi:application"
) -> list[str]:
    """Return the command line that serves the WSGI application."""
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port)),
        *("--http", "1", "--no-ws", "--workers", str(workers), "--blocking-threads", str(BLOCKING_THREADS)),
        *("--blocking-threads-idle-timeout", "600", "--backlog", "1024", "--backpressure", "64"),
        *("--http1-buffer-size", "16384", "--http1-header-read-timeout", "10000"),
        *("--respawn-failed-workers", "--respawn-interval", "1"),
        *("--workers-kill-timeout", str(WORKERS_KILL_TIMEOUT_SECONDS), "--no-access-log"),
        application,
    ]
