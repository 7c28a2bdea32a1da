"""Where log lines go: standard error, while a server runs by way of a thread.

Note [Deferred lines]. Writing a line to a pipe costs as much as everything else that a cached read does, and it blocks
for as long as the pipe's reader does, and with it the event loop and every request. So while the event loop runs, a
thread writes the lines that have gathered. A worker that is killed takes those of its last `EVERY_SECONDS` with it.

Nothing here raises: whether a request's lines can be written or not, its answer tells what was done.
"""

import contextlib
import io
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import structlog

from procedures_project.log_output import STANDARD_ERROR, Loss, Output

logger = structlog.get_logger(__name__)

EVERY_SECONDS = 0.02
PATIENCE_SECONDS = 1.0
MAX_WAITING_BYTES = 16 * 1024 * 1024  # some 50,000 lines; more are dropped, and counted


class LogStream(io.RawIOBase):
    """Writes lines to a file descriptor. For any thread.

    Args:
        descriptor: What to write to.
    """

    def __init__(self, descriptor: int) -> None:
        self._output = Output(descriptor)
        self._lock = threading.Lock()
        self._writing = threading.RLock()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._dropped = 0
        self._dropped_before_counted: Counter[Loss] = Counter()
        self._count: Callable[[Loss, int], object] | None = None
        self._has_lines = threading.Event()
        self._stop: threading.Event | None = None
        self._is_stuck = False  # the thread still waits for a reader, though its time is over

    def writable(self) -> bool:
        """It is."""
        return True

    def close(self) -> None:
        """Stay open: a text stream around this one closes it when it is garbage-collected, and others go on writing."""

    def write(self, line: bytes) -> int:  # type: ignore[override]  # whole lines alone
        """Write a line, or hand it to the thread that will."""
        if self._stop is None:
            self._write_piece(bytes(line), 1, PATIENCE_SECONDS)
            return len(line)
        with self._lock:
            is_waiting = self._waiting_bytes + len(line) <= MAX_WAITING_BYTES
            if is_waiting:
                self._waiting.append(bytes(line))
                self._waiting_bytes += len(line)
        if not is_waiting:
            self._drop(Loss.READER_SLOW, 1)
        if not self._has_lines.is_set():
            self._has_lines.set()
        return len(line)

    def count_dropped_with(self, count: Callable[[Loss, int], object]) -> None:
        """Call `count` with the reason and the number whenever lines are dropped, and now for those dropped before."""
        with self._lock:
            self._count, before, self._dropped_before_counted = count, self._dropped_before_counted, Counter()
        for loss, lines in before.items():
            count(loss, lines)

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Have a thread do the writing inside the block (Note [Deferred lines]).

        What is still waiting at its end is written then, for `PATIENCE_SECONDS` at most: the reader may have stopped.
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
            self._stop, self._is_stuck = None, writer.is_alive()
            if not self._is_stuck:
                self._write_waiting(PATIENCE_SECONDS)

    def _keep_writing(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._has_lines.wait()
            stop.wait(EVERY_SECONDS)
            self._has_lines.clear()
            self._write_waiting(None)

    def _write_waiting(self, patience_seconds: float | None) -> None:
        with self._lock:
            lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for piece, count in _pieces(lines, self._output.piece_bytes):
            self._write_piece(piece, count, patience_seconds)

    def _write_piece(self, piece: bytes, lines: int, patience_seconds: float | None) -> None:
        if not self._writing.acquire(blocking=not self._is_stuck):
            self._drop(Loss.READER_SLOW, lines)
            return
        try:
            if loss := self._output.write(piece, patience_seconds):
                self._drop(loss, lines)
            elif dropped := self._taken_from_dropped():
                logger.warning("log_lines_dropped", lines=dropped)
        finally:
            self._writing.release()

    def _drop(self, loss: Loss, lines: int) -> None:
        with self._lock:
            self._dropped += lines
            count = self._count
            if count is None:
                self._dropped_before_counted[loss] += lines
        if count is not None:
            count(loss, lines)

    def _taken_from_dropped(self) -> int:
        """Return how many lines were dropped and not yet reported, to be reported now."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        return dropped


def _pieces(lines: list[bytes], most_bytes: int) -> Iterator[tuple[bytes, int]]:
    """Join lines, in their order, into pieces of at most `most_bytes`, unless a single line is longer.

    Yields each piece with the number of its lines.
    """
    piece: list[bytes] = []
    length = 0
    for line in lines:
        if piece and length + len(line) > most_bytes:
            yield b"".join(piece), len(piece)
            piece, length = [], 0
        piece.append(line)
        length += len(line)
    if piece:
        yield b"".join(piece), len(piece)


LOG_STREAM = LogStream(STANDARD_ERROR)
