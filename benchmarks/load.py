"""A load client: one thread, some kept connections, requests made beforehand. It costs little beside a server.

Every answer's status is checked, and its bytes are received to the last; what they say is checked by the caller,
with `Connection.exchange`, since a digest of each would cost more than some of the servers do.
"""

import hashlib
import json
import re
import selectors
import socket
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

BUFFER_BYTES = 1 << 20
TIMEOUT_SECONDS = 60.0
GZIP_WINDOW = 16 + zlib.MAX_WBITS
HEAD_END = b"\r\n\r\n"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
WITHOUT_BODY = frozenset({204, 304})


class LoadError(OSError):
    """There was no complete answer, or not the one that was expected."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> bytes:
        """The body without its content coding."""
        if self.headers.get("content-encoding") == "gzip":
            return zlib.decompress(self.body, GZIP_WINDOW)
        return self.body

    @property
    def digest(self) -> str:
        """The SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()


def request_bytes(
    method: str, path: str, token: str, headers: Mapping[str, str] | None = None, body: object = None
) -> bytes:
    """Return a request as it goes over the wire, as a proxy in front of the service sends it."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {token}"]
    lines += ["Accept: application/json", "X-Forwarded-Proto: https"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Connection:
    """A kept connection on which one request at a time is under way.

    Args:
        room_bytes: How long an answer may be before room for it has to be made while it is received.
    """

    def __init__(self, host: str, port: int, room_bytes: int = BUFFER_BYTES) -> None:
        self.socket = socket.create_connection((host, port), TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(room_bytes)
        self._view = memoryview(self._buffer)
        self._forget()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def send(self, request: bytes) -> None:
        """Send a request."""
        self._forget()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Receive what is there, waiting for something, and tell whether the answer is complete."""
        if self._filled == len(self._buffer):
            self._grow()
        received = self.socket.recv_into(self._view[self._filled :])
        if not received:
            raise LoadError("The server hung up.")
        self._filled += received
        return (self._head_end > 0 or self._read_head()) and self._is_complete()

    def exchange(self, request: bytes) -> Answer:
        """Send a request and return its answer."""
        self.send(request)
        while not self.receive():
            pass
        return Answer(self.status, self._headers(), self._body())

    def _forget(self) -> None:
        self.status = 0
        self._filled = 0
        self._head_end = 0  # where the body begins; 0: not yet known
        self._end: int | None = None  # where the answer ends; None: not yet known
        self._is_chunked = False
        self._chunk_start = 0  # where the next chunk's size stands

    def _read_head(self) -> bool:
        found = self._buffer.find(HEAD_END, 0, self._filled)
        if found < 0:
            return False
        self._head_end = self._chunk_start = found + len(HEAD_END)
        head = bytes(self._view[: self._head_end])
        self.status = int(head[9:12])
        length = CONTENT_LENGTH.search(head)
        if self.status in WITHOUT_BODY:
            self._end = self._head_end
        elif length:
            self._end = self._head_end + int(length[1])
        elif CHUNKED.search(head):
            self._is_chunked = True
        else:
            raise LoadError(f"An answer without length: {head!r}")
        return True

    def _is_complete(self) -> bool:
        if self._is_chunked and self._end is None:
            self._end = self._end_of_chunks()
        return self._end is not None and self._filled >= self._end

    def _end_of_chunks(self) -> int | None:
        """Return where the answer ends, once the last chunk's size is there; trailers are not expected."""
        while (line_end := self._buffer.find(b"\r\n", self._chunk_start, self._filled)) >= 0:
            size = int(self._buffer[self._chunk_start : line_end], 16)
            following = line_end + 2 + size + 2
            if size == 0:
                return following
            self._chunk_start = following
        return None

    def _grow(self) -> None:
        self._view.release()
        self._buffer.extend(bytes(len(self._buffer)))
        self._view = memoryview(self._buffer)

    def _headers(self) -> dict[str, str]:
        lines = bytes(self._view[: self._head_end]).decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    def _body(self) -> bytes:
        content = bytes(self._view[self._head_end : self._filled])
        return _joined_chunks(content) if self._is_chunked else content


def _joined_chunks(content: bytes) -> bytes:
    body, start = bytearray(), 0
    while True:
        line_end = content.index(b"\r\n", start)
        size = int(content[start:line_end], 16)
        if size == 0:
            return bytes(body)
        body += content[line_end + 2 : line_end + 2 + size]
        start = line_end + 2 + size + 2


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for, and what must come."""

    host: str
    port: int
    request: bytes
    status: int = 200


class Load:
    """Kept connections to one target. The same request goes out on each as soon as the last answer is in."""

    def __init__(self, target: Target, connections: int) -> None:
        self._target = target
        self._connections = [Connection(target.host, target.port) for _ in range(connections)]
        self._selector = selectors.DefaultSelector()
        for connection in self._connections:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        """Hang up."""
        self._selector.close()
        for connection in self._connections:
            connection.close()

    def probe(self) -> Answer:
        """Return one answer, for its caller to look at."""
        answer = self._connections[0].exchange(self._target.request)
        self._check(answer.status)
        return answer

    def rate(self, seconds: float) -> float:
        """Ask for so long, and return the answers per second, from the first request to the last answer.

        What is under way at the end is waited for and counts. Were it left out, a slow server that works on
        several requests at once, and so finishes them all together, would seem slower than it is.
        """
        started = time.perf_counter()
        deadline = started + seconds
        for connection in self._connections:
            connection.send(self._target.request)
        answers, under_way = 0, len(self._connections)
        while under_way:
            for key, _ in self._selector.select(TIMEOUT_SECONDS) or _fail("No answer came."):
                if not self._received(key.data):
                    continue
                answers += 1
                if time.perf_counter() < deadline:
                    key.data.send(self._target.request)
                else:
                    under_way -= 1
        return answers / (time.perf_counter() - started)

    def _received(self, connection: Connection) -> bool:
        is_complete = connection.receive()
        if is_complete:
            self._check(connection.status)
        return is_complete

    def _check(self, status: int) -> None:
        if status != self._target.status:
            raise LoadError(f"Answered {status}, not {self._target.status}.")


def _fail(message: str) -> Any:
    raise LoadError(message)
