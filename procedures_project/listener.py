"""The socket that the server listens on: a connection whose client takes nothing is dropped by the kernel.

The server accepts an answer long before its client does, so nobody in this process can tell that it is not taken. TCP
can: while a client's window is closed, or what was sent is not acknowledged, a timer runs (RFC 5482).
Connections inherit the option from the socket that they were accepted on.
"""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

TAKE_SECONDS = 30
LOOKS, LOOK_EVERY_SECONDS = 100, 0.05
OPEN_FILES = Path("/proc/self/fd")


async def drop_answers_that_nobody_takes() -> None:
    """Set the option as soon as the server listens, which it does after the application has started."""
    for _ in range(LOOKS):
        listeners = list(_listeners())
        for listener in listeners:
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TAKE_SECONDS * 1000)
            listener.close()
        if listeners:
            return
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _listeners() -> Iterator[socket.socket]:
    """Yield the TCP sockets that this process listens on, to be closed by the caller."""
    if not OPEN_FILES.exists():  # not Linux: there is no such option either
        return
    for name in os.listdir(OPEN_FILES):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.stat(OPEN_FILES / name).st_mode):
                found = socket.socket(fileno=os.dup(int(name)))
                if found.family in {socket.AF_INET, socket.AF_INET6} and _is_listening(found):
                    yield found
                else:
                    found.close()


def _is_listening(found: socket.socket) -> bool:
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
