"""A file descriptor that log lines go to, whatever is behind it: a full disk, a reader that is gone, or one that hangs.

None of these is an error here. The caller is told what was lost, and why, and the next line is tried again.
"""

import errno
import os
import select
import socket
import stat
import sys
import time
from collections.abc import Callable
from enum import StrEnum

STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERROR = 0, 1, 2

ATOMIC_BYTES = 4_096  # POSIX's PIPE_BUF on Linux: two processes' writes of up to so much never mix in a pipe
FILE_BYTES = 16_384  # in a file they never mix; fewer writes, since each gives up the interpreter's lock

Write = Callable[[memoryview], int]


class Loss(StrEnum):
    """Why lines could not be written."""

    FULL = "full"  # the disk, a quota, or the longest that a file may be
    READER_GONE = "reader_gone"
    READER_SLOW = "reader_slow"
    CLOSED = "closed"  # there is no standard error, or nobody may write to it
    OTHER = "other"


LOSSES = {
    errno.ENOSPC: Loss.FULL,
    errno.EDQUOT: Loss.FULL,
    errno.EFBIG: Loss.FULL,
    errno.EPIPE: Loss.READER_GONE,
    errno.ECONNRESET: Loss.READER_GONE,
    errno.ECONNREFUSED: Loss.READER_GONE,
    errno.ENXIO: Loss.READER_GONE,  # a pipe that nobody has open to read
    errno.EBADF: Loss.CLOSED,
}


def reserve_standard_streams() -> None:
    """Open those standard streams that the process was started without.

    Otherwise the next file or connection that is opened would get the number, and log lines could go to PostgreSQL.
    What takes the place of standard error cannot be written to, so lines count as lost.
    """
    for descriptor in (STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERROR):
        try:
            os.fstat(descriptor)
        except OSError:
            mode = os.O_WRONLY if descriptor == STANDARD_OUTPUT else os.O_RDONLY
            os.set_inheritable(os.open(os.devnull, mode), True)  # it gets the lowest free number, which is this one
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # open until the process ends
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


class Output:
    """Writes pieces of whole lines to a file descriptor. To be used by one thread at a time.

    Args:
        descriptor: What to write to; it may become something else at any time (`dup2`).
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._target: tuple[int, int] | None = None
        self._write: Write = self._write_plainly
        self._is_file = False
        self._opened: int | None = None
        self._has_given_up = False
        self._is_torn = False

    @property
    def piece_bytes(self) -> int:
        """How much to write at once to what was written to last: longer pieces may mix with other processes' lines."""
        return FILE_BYTES if self._is_file else ATOMIC_BYTES

    def write(self, piece: bytes, patience_seconds: float | None) -> Loss | None:
        """Write a piece, and tell why not all of it was taken; None if it was.

        Args:
            piece: Whole lines; see `piece_bytes`.
            patience_seconds: How long to wait for a reader that hangs; None for as long as it takes. After one such
                wait has timed out, there is no other before the reader has taken something.
        """
        rest = memoryview(b"\n" + piece if self._is_torn else piece)
        length = len(rest)
        seconds = 0.0 if self._has_given_up and patience_seconds is not None else patience_seconds
        deadline = None if seconds is None else time.monotonic() + seconds
        loss = None
        try:
            while rest:
                try:
                    rest = rest[self._writer()(rest) :]
                except BlockingIOError:
                    if not self._is_writable_by(deadline):
                        self._has_given_up, loss = True, Loss.READER_SLOW
                        break
        except OSError as error:
            loss = LOSSES.get(error.errno or 0, Loss.OTHER)
        is_whole = loss is None
        self._is_torn = not is_whole and (self._is_torn or len(rest) < length)
        self._has_given_up = self._has_given_up and not is_whole
        return loss

    def _is_writable_by(self, deadline: float | None) -> bool:
        """Wait until a reader takes something; False if it has not by then."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        return bool(poll.poll(None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000))

    def _writer(self) -> Write:
        """Return how to write, without blocking, to whatever the descriptor is at present."""
        status = os.fstat(self._descriptor)
        if (status.st_dev, status.st_ino) != self._target:
            self._close_opened()
            self._write = self._writer_of(status.st_mode)
            self._is_file = stat.S_ISREG(status.st_mode)
            self._target = (status.st_dev, status.st_ino)
        return self._write

    def _writer_of(self, mode: int) -> Write:
        """Return how to write to a file of this kind.

        Making the descriptor itself non-blocking would do the same to all processes that share it. A pipe and a
        terminal can be opened once more; a socket has an option for each call. Other kinds do not block.
        """
        if stat.S_ISSOCK(mode):
            return self._send
        if stat.S_ISFIFO(mode) or os.isatty(self._descriptor):
            own = os.open(f"/proc/self/fd/{self._descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            self._opened = own
            return lambda data: os.write(own, data)
        return self._write_plainly

    def _write_plainly(self, data: memoryview) -> int:
        return os.write(self._descriptor, data)

    def _send(self, data: memoryview) -> int:
        with socket.socket(fileno=os.dup(self._descriptor)) as connection:
            return connection.send(data, socket.MSG_DONTWAIT)

    def _close_opened(self) -> None:
        if self._opened is not None:
            os.close(self._opened)
        self._opened = None
