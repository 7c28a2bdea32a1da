"""Where log lines go: standard error, while a server runs by way of a thread.

Note [Deferred lines]. A line is a write to a pipe: as dear as all that a cached read does besides, and it stands still
for as long as whoever reads the pipe does, with the event loop and every request in it. So while the event loop runs,
a thread writes what has come together. A worker that is killed takes the lines of its last `EVERY_SECONDS` with it.
"""

import contextlib
import io
import os
import threading
from collections.abc import Iterator

import structlog

logger = structlog.get_logger(__name__)

STANDARD_ERROR = 2

EVERY_SECONDS = 0.02
PATIENCE_SECONDS = 1.0
MAX_WAITING_BYTES = 16 * 1024 * 1024  # some 50,000 lines; more are dropped, and counted
ATOMIC_BYTES = 4_096  # POSIX's PIPE_BUF on Linux: two workers' writes of up to so much never mix


class LogStream(io.RawIOBase):
    """Writes lines to a file descriptor. For any thread.

    Args:
        descriptor: What to write to.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._dropped = 0
        self._has_lines = threading.Event()
        self._stop: threading.Event | None = None

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, line: bytes) -> int:  # type: ignore[override]  # whole lines alone
        """Write a line, or hand it to the thread that will."""
        if self._stop is None:
            _write_whole(self._descriptor, line)
            return len(line)
        with self._lock:
            if self._waiting_bytes + len(line) > MAX_WAITING_BYTES:
                self._dropped += 1
            else:
                self._waiting.append(bytes(line))
                self._waiting_bytes += len(line)
        if not self._has_lines.is_set():
            self._has_lines.set()
        return len(line)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Let a thread do the writing meanwhile (Note [Deferred lines]); what waits at the end is written then.

        The end waits for that for `PATIENCE_SECONDS` at most: whoever reads may have stopped.
        """
        self._stop = stop = threading.Event()
        writer = threading.Thread(target=self._keep_writing, args=[stop], name="log lines", daemon=True)
        writer.start()
        try:
            yield
        finally:
            stop.set()
            self._has_lines.set()
            writer.join(PATIENCE_SECONDS)
            self._stop = None
            if not writer.is_alive():
                self._write_waiting()

    def _keep_writing(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._has_lines.wait()
            stop.wait(EVERY_SECONDS)
            self._has_lines.clear()
            self._write_waiting()

    def _write_waiting(self) -> None:
        with self._lock:
            lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
            dropped, self._dropped = self._dropped, 0
        if dropped:
            logger.warning("log_lines_dropped", lines=dropped)
        for piece in _pieces(lines):
            _write_whole(self._descriptor, piece)


def _pieces(lines: list[bytes]) -> Iterator[bytes]:
    """Put lines together, in their order, into pieces that are written atomically unless a line alone is longer."""
    piece: list[bytes] = []
    length = 0
    for line in lines:
        if piece and length + len(line) > ATOMIC_BYTES:
            yield b"".join(piece)
            piece, length = [], 0
        piece.append(line)
        length += len(line)
    if piece:
        yield b"".join(piece)


def _write_whole(descriptor: int, data: bytes) -> None:
    """Write all of it; nothing where nobody reads any more."""
    view = memoryview(data)
    with contextlib.suppress(OSError):
        while view:
            view = view[os.write(descriptor, view) :]


LOG_STREAM = LogStream(STANDARD_ERROR)
