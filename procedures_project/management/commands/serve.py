"""Serve the API and the admin."""

import os
import socket
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from procedures_project.server import granian_argv


class Command(BaseCommand):
    """`manage.py serve` becomes the web server: signals reach it, and its exit code is the command's."""

    help = "Serve the API and the admin with granian."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=2)

    def handle(self, *, host: str, port: int, workers: int, **_options: Any) -> None:
        _refuse_busy_port(host, port)
        _forget_earlier_metrics()
        argv = granian_argv(host=host, port=port, workers=workers)
        os.execv(argv[0], argv)


def _refuse_busy_port(host: str, port: int) -> None:
    """Say at once that the port is taken; granian would share it with another granian, silently."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(f"{host}:{port}: {error.strerror}") from None


def _forget_earlier_metrics() -> None:
    """Remove the counts of an earlier server: its process ids may come again."""
    if directory := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        for file in Path(directory).glob("*.db"):
            file.unlink()
