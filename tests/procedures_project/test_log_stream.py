"""Log lines on their way to standard error: in order, whole, and in nobody's way."""

import json
import os
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from procedures_project import log_stream
from procedures_project.log_output import ATOMIC_BYTES, FILE_BYTES, Loss
from procedures_project.log_stream import LogStream

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


@pytest.mark.parametrize("most_bytes", [ATOMIC_BYTES, FILE_BYTES])
def test_each_write_is_of_whole_lines_and_no_longer_than_it_may_be(most_bytes: int) -> None:
    lines = [line_of(number) for number in range(1_000)] + [b"x" * 20_000 + b"\n"]

    counted = list(log_stream._pieces(lines, most_bytes))
    pieces = [piece for piece, _ in counted]

    assert [piece.count(b"\n") for piece in pieces] == [count for _, count in counted]
    assert b"".join(pieces) == b"".join(lines)
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert all(len(piece) <= most_bytes for piece in pieces[:-1])
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


def test_a_reader_that_is_gone_is_not_an_error() -> None:
    reads, writes = os.pipe()
    os.close(reads)

    LogStream(writes).write(line_of(1))

    os.close(writes)


def dropped_by(stream: LogStream) -> list[int]:
    """Return where the stream counts the lines that it drops."""
    counts: list[int] = []
    stream.count_dropped_with(lambda _loss, lines: counts.append(lines))
    return counts


def test_why_a_line_is_lost_is_counted_with_it(pipe: Pipe, tmp_path: Path) -> None:
    reads, gone = os.pipe()
    os.close(reads)
    (tmp_path / "unwritable").touch()
    full, unwritable = os.open("/dev/full", os.O_WRONLY), os.open(tmp_path / "unwritable", os.O_RDONLY)
    found = []
    for descriptor in (gone, full, unwritable):
        stream = LogStream(descriptor)
        stream.write(line_of(1))
        stream.count_dropped_with(lambda loss, lines: found.append((loss, lines)))
        stream.write(line_of(2))
        os.close(descriptor)

    assert found == [(loss, 1) for loss in (Loss.READER_GONE, Loss.FULL, Loss.CLOSED) for _ in range(2)]


def test_lines_that_cannot_be_written_are_counted_also_those_before_somebody_counts() -> None:
    with open("/dev/full", "wb") as full:
        stream = LogStream(full.fileno())
        stream.write(line_of(1))
        counts = dropped_by(stream)
        stream.write(line_of(2))
        with stream.deferred():
            for number in range(50):
                stream.write(line_of(number))

    assert sum(counts) == 52


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open(path, "wb") as log:
        stream = LogStream(log.fileno())
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))  # as on a full disk, the rest is refused
        try:
            stream.write(line_of(1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        stream.write(line_of(2))

    assert path.read_bytes().splitlines(keepends=True)[:2] == [line_of(1)[:10] + b"\n", line_of(2)]


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_hangs_is_waited_for_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "PATIENCE_SECONDS", 0.2)
    ends = os.pipe() if kind == "pipe" else tuple(end.detach() for end in reversed(socket.socketpair()))
    stream = LogStream(ends[1])
    counts = dropped_by(stream)

    while not counts:
        stream.write(line_of(1))
    for number in range(1_000):  # to wait for each would take minutes, and the tests have less
        stream.write(line_of(number))

    assert sum(counts) == 1_001
    assert os.get_blocking(ends[1])  # other processes share it
    for end in ends:
        os.close(end)


def test_a_descriptor_that_becomes_something_else_is_written_to_as_that(tmp_path: Path, pipe: Pipe) -> None:
    stream = LogStream(pipe[1])
    stream.write(line_of(1))
    kept = os.dup(pipe[1])
    with open(tmp_path / "log", "wb") as log:
        os.dup2(log.fileno(), pipe[1])
    stream.write(line_of(2))
    os.dup2(kept, pipe[1])
    os.close(kept)
    stream.write(line_of(3))

    assert os.read(pipe[0], 65_536) == line_of(1) + line_of(3)
    assert (tmp_path / "log").read_bytes() == line_of(2)
