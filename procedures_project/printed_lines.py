"""What libraries, and Python itself, print to standard error while a server runs, as events."""

import contextlib
import io
import sys
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import structlog

logger = structlog.get_logger(__name__)

MAX_LINE = 8_192  # characters; more make another event


class PrintedLines(io.TextIOBase):
    """Makes an event of each line. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = ""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Log the lines that are complete, and keep the beginning of the next."""
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
            while len(self._begun) > MAX_LINE:
                lines.append(self._begun[:MAX_LINE])
                self._begun = self._begun[MAX_LINE:]
        for line in lines:
            if line.strip():
                logger.warning("printed", text=line)
        return len(text)


@contextlib.contextmanager
def printed_lines_logged() -> Iterator[None]:
    """Inside the block, log what is printed to standard error, and exceptions that end a thread or cannot be raised."""
    hooks = sys.unraisablehook, threading.excepthook
    sys.unraisablehook, threading.excepthook = _log_unraisable, _log_end_of_thread
    try:
        with contextlib.redirect_stderr(PrintedLines()):
            yield
    finally:
        sys.unraisablehook, threading.excepthook = hooks


def _log_unraisable(raised: Any) -> None:
    _log("unraisable", raised.exc_type, raised.exc_value, raised.exc_traceback, where=repr(raised.object)[:200])


def _log_end_of_thread(raised: Any) -> None:
    if raised.exc_type is not SystemExit:
        name = raised.thread.name if raised.thread else None
        _log("thread_failed", raised.exc_type, raised.exc_value, raised.exc_traceback, where=name)


def _log(
    event: str,
    kind: type[BaseException],
    error: BaseException | None,
    traceback: TracebackType | None,
    *,
    where: str | None,
) -> None:
    logger.error(event, where=where, exc_info=(kind, error or kind(), traceback))
