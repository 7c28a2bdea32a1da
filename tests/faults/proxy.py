"""A TCP proxy that stands between a node and its Redis, and fails on command.

It runs as a process of its own, `python -m tests.faults.proxy LISTEN_PORT UPSTREAM_PORT`, so that its traffic
never waits for the threads of the test. It reads one command per line from its standard input, and answers each
with a line. It ends when its input does.
"""

import asyncio
import contextlib
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum

from tests import PROJECT_DIR

HOST = "127.0.0.1"
CHUNK_BYTES = 65536
TRICKLE_SECONDS_A_BYTE = 0.005  # far below any timeout of one read, so that none of them ends it
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, for 0 seconds


class Mode(StrEnum):
    """What the proxy does with connections, both open and new ones."""

    PASS = "pass"
    REFUSE = "refuse"  # nobody listens
    HANG = "hang"  # connections are accepted, but nothing passes; what is held back passes later
    RESET = "reset"  # connections are accepted and reset
    TRICKLE = "trickle"  # one byte now and then
    LOSE_ONE = "lose one"  # the next command is lost, and its connection with it; then everything passes


class Proxy:
    """The handle of a running proxy. A command has taken effect when its method returns."""

    def __init__(self, port: int, upstream_port: int) -> None:
        self.port = port
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.proxy", str(port), str(upstream_port)],
            cwd=PROJECT_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._await_answer()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.communicate()

    def set_mode(self, mode: Mode) -> None:
        """Switch to this mode."""
        self._command(mode)

    @contextlib.contextmanager
    def behaving(self, mode: Mode) -> Iterator[None]:
        """Switch to this mode inside the block."""
        self.set_mode(mode)
        try:
            yield
        finally:
            self.set_mode(Mode.PASS)

    def switch(self, upstream_port: int) -> None:
        """Cut every connection, and lead new ones to another server."""
        self._command(f"switch {upstream_port}")

    def lead_to(self, upstream_port: int) -> None:
        """Lead new connections to another server, and keep those that there are."""
        self._command(f"lead to {upstream_port}")

    def _command(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        self._await_answer()

    def _await_answer(self) -> None:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        assert answer == "done\n", f"the proxy says {answer!r}"


class _Relay:
    """The proxy itself."""

    def __init__(self, port: int, upstream_port: int) -> None:
        self._port = port
        self._upstream_port = upstream_port
        self._mode = Mode.PASS
        self._flows = asyncio.Event()  # cleared while everything hangs
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    async def obey(self, command: str) -> None:
        """Carry out a command from standard input."""
        if command.startswith("switch "):
            self._upstream_port = int(command.removeprefix("switch "))
            self._cut_all()
        elif command.startswith("lead to "):
            self._upstream_port = int(command.removeprefix("lead to "))
        else:
            await self._enter(Mode(command))

    async def listen(self) -> None:
        """Accept connections from now on."""
        self._server = await asyncio.start_server(self._relay, HOST, self._port)

    async def close(self) -> None:
        """Cut every connection, and return when all of them have ended."""
        self._mode = Mode.REFUSE
        self._flows.set()
        if self._server is not None:
            self._server.close()
        self._cut_all()
        while self._ends:
            await asyncio.sleep(0.01)

    async def _enter(self, mode: Mode) -> None:
        self._mode = mode
        if mode is Mode.HANG:
            self._flows.clear()
        else:
            self._flows.set()
        if mode in {Mode.REFUSE, Mode.RESET}:
            self._cut_all()
        if mode is Mode.REFUSE and self._server is not None:
            self._server.close()
            self._server = None
        elif mode is not Mode.REFUSE and self._server is None:
            await self.listen()

    async def _relay(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._ends.add(to_client)
        ends = {to_client}
        try:
            if self._mode is Mode.RESET:
                return
            from_server, to_server = await asyncio.open_connection(HOST, self._upstream_port)
            self._ends.add(to_server)
            ends.add(to_server)
            directions = [
                asyncio.create_task(self._pump(from_client, to_server)),
                asyncio.create_task(self._pump(from_server, to_client)),
            ]
            # When one side has ended, so has the conversation.
            _, unfinished = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
            for direction in unfinished:
                direction.cancel()
        except OSError:
            pass  # the server is down: the client finds its connection closed
        finally:
            self._ends -= ends
            for end in ends:
                _cut(end)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                await self._flows.wait()
                if self._mode is Mode.LOSE_ONE:
                    self._mode = Mode.PASS
                    return
                await self._deliver(data, sink)

    async def _deliver(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        while data and self._mode is Mode.TRICKLE:
            sink.write(data[:1])
            data = data[1:]
            await asyncio.sleep(TRICKLE_SECONDS_A_BYTE)
        sink.write(data)
        await sink.drain()

    def _cut_all(self) -> None:
        for end in self._ends:
            _cut(end)


def _cut(end: asyncio.StreamWriter) -> None:
    connection: socket.socket = end.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it may be closed already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    end.transport.abort()


async def _main(port: int, upstream_port: int) -> None:
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    relay = _Relay(port, upstream_port)
    await relay.listen()
    _answer()
    async for line in commands:
        await relay.obey(line.decode().strip())
        _answer()
    await relay.close()


def _answer() -> None:
    sys.stdout.write("done\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2])))
