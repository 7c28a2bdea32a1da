"""The command that serves: what it looks at before it becomes the web server."""

import os
import socket
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that the command has become."""
    argvs: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _path, argv: argvs.append(argv))
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setenv("DJANGO_THREADS", "4")  # which the command sets
    return argvs


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a Unix socket may be; a relative path, since those of sockets are short."""
    monkeypatch.chdir(tmp_path)
    return Path("socket")


def test_the_socket_of_a_server_that_was_killed_is_not_in_the_way(path: Path, started: list[list[str]]) -> None:
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))

    call_command("serve", socket=str(path))

    assert len(started) == 1
    assert not path.exists()


def test_the_socket_of_a_server_that_runs_is_left_alone(path: Path, started: list[list[str]]) -> None:
    with socket.socket(socket.AF_UNIX) as running:
        running.bind(str(path))
        running.listen()

        with pytest.raises(CommandError, match="another server listens there"):
            call_command("serve", socket=str(path))

    assert started == []
    assert path.exists()
