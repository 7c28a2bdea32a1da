"""A log that cannot be written costs lines, which are counted, and never a request."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.beside import Beside, server_beside
from tests.processes import eventually, is_gone
from tests.system.demo import Demo

DROPPED = "backend_log_lines_dropped_total"


def use(server: Beside, procedure_key: str, requests: int = 20) -> None:
    """Read and write, and check that everything is answered and recorded."""
    for _ in range(requests):
        assert server.client.get("/procedures").status_code == 200
    started = server.client.post("/runs", json={"procedure": procedure_key})
    assert started.status_code == 201, started.text
    path = f"/runs/{started.json()['id']}"
    assert server.client.post(f"{path}/steps/measure/commit", json={}).status_code == 201
    assert server.client.get(path).json()["last_seq"] == 2
    assert server.client.get("/procedures/no-such-procedure").status_code == 404
    assert server.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", ">&- 2>&-", ">/dev/full 2>&1"])
def test_a_log_that_cannot_be_written_costs_lines_that_are_counted(
    demo: Demo, procedure_key: str, tmp_path: Path, redirection: str
) -> None:
    with server_beside(demo, tmp_path, redirection=redirection) as server:
        use(server, procedure_key)

        # A line for each request, and what the cache says.
        eventually(lambda: server.samples().total(DROPPED) >= 24)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A pipe with a name, and the end of it that reads."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    with contextlib.suppress(OSError):  # a test has closed it
        os.close(reader)


def filled(path: Path) -> None:
    """Fill a pipe, so that whoever writes to it waits."""
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, b"x" * 4_095 + b"\n")
    except BlockingIOError:
        os.close(writer)


def read_until(reader: int, found: Callable[[bytes], bool]) -> None:
    """Read from a pipe until it has said something."""
    read = b""

    def has_said_it() -> bool:
        nonlocal read
        with contextlib.suppress(BlockingIOError):
            read += os.read(reader, 1 << 20)
        return found(read)

    eventually(has_said_it)


def test_a_reader_that_is_gone_costs_lines_and_one_that_comes_gets_them_again(
    demo: Demo, procedure_key: str, tmp_path: Path, fifo: tuple[Path, int]
) -> None:
    path, reader = fifo
    with server_beside(demo, tmp_path, redirection=f"2>{path}") as server:
        os.close(reader)
        use(server, procedure_key)
        eventually(lambda: server.samples().total(DROPPED) >= 24)

        next_reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        use(server, procedure_key)

        read_until(next_reader, lambda read: b'"log_lines_dropped"' in read and b'"request_finished"' in read)
        os.close(next_reader)


def test_a_reader_that_hangs_holds_nobody_up_and_neither_does_it_when_a_worker_is_replaced(
    demo: Demo, procedure_key: str, tmp_path: Path, fifo: tuple[Path, int]
) -> None:
    path, reader = fifo
    with server_beside(demo, tmp_path, redirection=f">{path} 2>&1", workers=2) as server:
        filled(path)
        use(server, procedure_key)
        first, _ = server.granian.workers()
        threading.Event().wait(6)  # granian takes a death within 5.5 s for a crash loop
        first.kill()
        eventually(lambda: is_gone(first))
        eventually(lambda: len(server.granian.workers()) == 2, seconds=30)
        eventually(server.is_ready)

        use(server, procedure_key)

        read_until(reader, lambda read: b'"request_finished"' in read)


def test_a_server_starts_though_its_reader_hangs(
    demo: Demo, procedure_key: str, tmp_path: Path, fifo: tuple[Path, int]
) -> None:
    path, _ = fifo
    filled(path)
    with server_beside(demo, tmp_path, redirection=f">{path} 2>&1") as server:
        use(server, procedure_key)
        granian = psutil.Process(server.granian.pid)

    assert is_gone(granian)
