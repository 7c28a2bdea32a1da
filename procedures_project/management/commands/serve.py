"""Serve the API and the admin."""

import os
from argparse import ArgumentParser
from pathlib import Path
from socket import AF_INET, AF_INET6, AF_UNIX, SO_REUSEADDR, SOL_SOCKET
from socket import socket as new_socket
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from procedures_project.environment_rules import (
    CONNECTIONS,
    DRAIN_SECONDS,
    PORT,
    THREADS,
    WORKERS,
    listening_address,
    option_type,
    socket_path,
)
from procedures_project.metric_files import remove_files_of_the_dead
from procedures_project.server import server_argv


class Command(BaseCommand):
    """`manage.py serve` becomes the web server: signals reach it, and its exit code is the command's."""

    help = "Serve the API and the admin with granian. Each option has an environment variable (.env.example)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", type=option_type(listening_address), default=settings.SERVE_HOST)
        parser.add_argument("--port", type=option_type(PORT), default=settings.SERVE_PORT)
        parser.add_argument(
            "--socket",
            type=option_type(socket_path),
            default=settings.SERVE_SOCKET,
            help="A Unix socket, in place of host and port.",
        )
        parser.add_argument("--workers", type=option_type(WORKERS), default=settings.SERVE_WORKERS)
        parser.add_argument(
            "--threads", type=option_type(THREADS), default=settings.DJANGO_THREADS, help="Of Django, a worker."
        )
        parser.add_argument(
            "--connections",
            type=option_type(CONNECTIONS),
            default=settings.SERVE_CONNECTIONS,
            help="At once, a worker.",
        )
        parser.add_argument(
            "--drain-seconds",
            type=option_type(DRAIN_SECONDS),
            default=settings.SERVE_DRAIN_SECONDS,
            help="How long /readyz says `draining` after SIGTERM before the listener closes.",
        )

    def handle(self, *, host: str, port: int, socket: str, threads: int, **options: Any) -> None:
        if socket:
            _free_socket(Path(socket))
        else:
            _refuse_busy_port(host, port)
        if settings.METRICS_DIR is not None:
            remove_files_of_the_dead(settings.METRICS_DIR)
        os.environ["DJANGO_THREADS"] = str(threads)
        named = {name: options[name] for name in ("workers", "connections", "drain_seconds")}
        named |= {"socket": socket} if socket else {"host": host, "port": port}
        argv = server_argv(**named)
        os.execv(argv[0], argv)


def _refuse_busy_port(host: str, port: int) -> None:
    """Say at once that the port is taken; granian would share it with another granian, silently."""
    with new_socket(AF_INET6 if ":" in host else AF_INET) as probe:
        probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(f"{host}:{port}: {error.strerror}") from None


def _free_socket(path: Path) -> None:
    """Remove the socket of a server that was killed, which nobody listens on; granian would not start over it."""
    if not path.is_socket():
        return
    with new_socket(AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from None
        else:
            raise CommandError(f"{path}: another server listens there")
