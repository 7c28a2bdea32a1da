"""Log lines on their way to standard error: in order, whole, and in nobody's way."""

import json
import os
import threading
from collections.abc import Iterator

import pytest

from procedures_project import log_stream
from procedures_project.log_stream import ATOMIC_BYTES, LogStream

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe: its end to read from, its end to write to."""
    reads, writes = os.pipe()
    yield reads, writes
    os.close(reads)
    os.close(writes)


def line_of(number: int) -> bytes:
    return json.dumps({"event": "test", "number": number}).encode() + b"\n"


def read_lines(descriptor: int, count: int) -> list[bytes]:
    """Return the next so many lines; for good if fewer come (the tests' timeout ends it)."""
    read = b""
    while read.count(b"\n") < count:
        read += os.read(descriptor, 65_536)
    return read.splitlines(keepends=True)


def test_a_line_is_written_at_once_while_no_server_runs(pipe: Pipe) -> None:
    LogStream(pipe[1]).write(line_of(1))

    assert os.read(pipe[0], 65_536) == line_of(1)


def test_lines_that_a_thread_writes_come_in_their_order(pipe: Pipe) -> None:
    stream = LogStream(pipe[1])

    with stream.deferred():
        for number in range(500):
            stream.write(line_of(number))
        lines = read_lines(pipe[0], 500)

    assert lines == [line_of(number) for number in range(500)]


def test_what_waits_at_the_end_is_written_then(pipe: Pipe) -> None:
    stream = LogStream(pipe[1])

    with stream.deferred():
        stream.write(line_of(1))

    assert os.read(pipe[0], 65_536) == line_of(1)
    assert "log lines" not in {thread.name for thread in threading.enumerate()}


def test_each_write_is_of_whole_lines_and_atomic() -> None:
    lines = [line_of(number) for number in range(1_000)] + [b"x" * 10_000 + b"\n"]

    pieces = list(log_stream._pieces(lines))

    assert b"".join(pieces) == b"".join(lines)
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert all(len(piece) <= ATOMIC_BYTES for piece in pieces[:-1])
    assert len(pieces) < len(lines) / 50


def test_a_reader_that_has_stopped_holds_nobody_up_and_lines_are_dropped_and_counted(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "MAX_WAITING_BYTES", 1_000_000)
    dropped: list[int] = []
    monkeypatch.setattr(log_stream.logger, "warning", lambda _event, *, lines: dropped.append(lines))
    stream = LogStream(pipe[1])
    line = b"x" * 999 + b"\n"

    with stream.deferred():
        for _ in range(3_000):  # three times as much as may wait, and far more than a pipe holds
            stream.write(line)
        read = 0
        while not dropped:
            read += os.read(pipe[0], 65_536).count(b"\n")
        while read + sum(dropped) < 3_000:
            read += os.read(pipe[0], 65_536).count(b"\n")

    assert read + sum(dropped) == 3_000


def test_a_reader_that_is_gone_is_no_error() -> None:
    reads, writes = os.pipe()
    os.close(reads)

    LogStream(writes).write(line_of(1))

    os.close(writes)
