"""What the engine needs of a connection to Redis beyond redis-py.

A limit on a whole operation: redis-py's timeouts count from one piece of an answer to the next, so a server that
trickles never times out. The parser here counts from the beginning of the operation.

Connecting that costs no read its patience: a thread of its own makes a connection, within a budget of its own. A read
waits for that as long as it may wait for anything; if it gives up, the connection is still made, for the next one.

And cheap looks. redis-py's client takes a connection from its pool for each command, looks whether it is still good,
and gives it back: half of what a GET costs, and a pipeline costs more. Here each thread keeps one of its own.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, cast

from redis.connection import AbstractConnection, Connection, DefaultParser, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.sentinel import SentinelManagedConnection
from redis.utils import SENTINEL

from versioned_cache.addresses import tls_context
from versioned_cache.configuration import CONNECT_TIMEOUT_SECONDS

NEGLIGIBLE_SECONDS = 0.001
THREADS_IN_THE_BACKGROUND = 8
STORES_AT_ONCE = 4

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Let operations inside wait for answers until `seconds` have passed, all together.

    Raises:
        redis.exceptions.TimeoutError: they have, and an answer is not complete.
    """
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


@cache
def background() -> ThreadPoolExecutor:
    """Return the threads for what nobody waits for, or not to its end; begun at the first use."""
    return ThreadPoolExecutor(THREADS_IN_THE_BACKGROUND, thread_name_prefix="redis")


@cache
def storing() -> ThreadPoolExecutor:
    """Return the threads that store what is long, apart from those that make the connections which they wait for."""
    return ThreadPoolExecutor(STORES_AT_ONCE, thread_name_prefix="redis-stores")


# A child that is forked has none of its parent's threads.
os.register_at_fork(after_in_child=background.cache_clear)
os.register_at_fork(after_in_child=storing.cache_clear)


class DeadlineParser(DefaultParser):  # type: ignore[misc,valid-type]  # its type depends on what is installed
    """redis-py's parser, with a limit on the whole answer (setting `PARSER_CLASS` of django-redis)."""

    def read_from_socket(self, timeout: Any = SENTINEL, raise_on_timeout: bool = True) -> Any:
        """Read the next piece of an answer."""
        ends_at = _ends_at.get()
        if ends_at is None:
            return super().read_from_socket(timeout, raise_on_timeout)
        remaining_seconds = ends_at - time.monotonic()
        if remaining_seconds <= 0:
            raise RedisTimeoutError("The answer is not complete in time.")
        if remaining_seconds > self._socket_timeout - NEGLIGIBLE_SECONDS:
            # Setting and resetting a timeout are two system calls, and each may cost the thread the interpreter's lock.
            return super().read_from_socket(raise_on_timeout=raise_on_timeout)
        return super().read_from_socket(remaining_seconds, raise_on_timeout)

    def set_timeout(self, seconds: float) -> None:
        """Wait that long for a piece of an answer from now on."""
        self._socket_timeout = seconds


class _MadeAhead(AbstractConnection):
    """What a connection does so that nobody waits longer than they may while it is made."""

    _making: "Future[None] | None" = None

    def connect(self) -> None:
        """Connect, unless that is done; in the time limit of the operation, if there is one."""
        ends_at = _ends_at.get()
        if self._making is None:
            if self.is_connected:
                return
            if ends_at is None:
                self._make()
                return
            self._making = background().submit(self._make)
        making = self._making
        try:
            making.result(None if ends_at is None else max(0.0, ends_at - time.monotonic()))
        except TimeoutError:
            if making.done():
                raise
            raise RedisTimeoutError("The connection is not made in time; it is still being made.") from None
        finally:
            if making.done():
                self._making = None

    def _make(self) -> None:
        """Connect within the budget for connecting, and give operations theirs from then on."""
        patience_seconds = self.socket_timeout
        self.socket_timeout = CONNECT_TIMEOUT_SECONDS
        try:
            with time_limit(CONNECT_TIMEOUT_SECONDS):
                cast(Any, super()).connect()
        finally:
            self.socket_timeout = patience_seconds
        sock = self._get_socket()
        if sock is not None:
            sock.settimeout(patience_seconds)
            cast(DeadlineParser, self._get_parser()).set_timeout(cast(float, patience_seconds))


class TcpConnection(_MadeAhead, Connection):
    """A connection over TCP."""


class UnixConnection(_MadeAhead, UnixDomainSocketConnection):
    """A connection over a Unix socket."""


class PlainTlsConnection(SSLConnection):
    """A connection over TLS, whose context all connections with the same options share.

    Args:
        tls: The options, as an address has them.
    """

    def __init__(self, tls: tuple[tuple[str, str], ...], **arguments: Any) -> None:
        self._tls = tls
        super().__init__(**arguments)

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        return tls_context(self._tls).wrap_socket(sock, server_hostname=self.host)


class TlsConnection(_MadeAhead, PlainTlsConnection):
    """The same, made ahead."""


class NamedMasterConnection(_MadeAhead, SentinelManagedConnection):
    """A connection to the server that Sentinels name; they are asked whenever it is made."""

    def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Read an answer; READONLY stays what it is, which redis-py's own takes for a lost connection."""
        return Connection.read_response(self, *arguments, **options)


class NamedMasterTlsConnection(NamedMasterConnection, TlsConnection):
    """The same over TLS."""


def answered_error(error: RedisError) -> str:
    """Return the text of an error that a server answered with; empty where it did not answer."""
    code = getattr(error, "status_code", None)
    if code:
        return f"{code} {error}"
    return str(error) if isinstance(error, ResponseError) else ""


def get_command(key: str) -> bytes:
    """Return a GET as it goes over the wire (RESP, the Redis serialization protocol)."""
    name = key.encode()
    return b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(name), name)


class ThreadConnections(threading.local):
    """Connections of the thread that uses them, one for each server."""

    def __init__(self) -> None:
        self._connections: dict[str, Any] = {}
        self._made_in = (0, os.getpid())

    def get(self, key: str, server: str, generation: int, new_connection: Callable[[str], Any]) -> bytes | None:
        """Return the text under a key, or None.

        Args:
            key: What to look under.
            server: Which server has it.
            generation: That of the servers; a connection of an earlier one may lead to a server that was replaced.
            new_connection: Returns a connection to a server, not connected yet.

        Raises:
            RedisError: Redis is unusable.
        """
        connection = self._connection_to(server, generation, new_connection)
        (text,) = _answers(connection, [get_command(key)], 1)
        return cast("bytes | None", text)

    def look(
        self, commands: Sequence[tuple[Any, ...]], server: str, generation: int, new_connection: Callable[[str], Any]
    ) -> list[Any]:
        """Return the answers to commands that change nothing, in one round trip; see `get`."""
        connection = self._connection_to(server, generation, new_connection)
        return _answers(connection, connection.pack_commands(commands), len(commands))

    def _connection_to(self, server: str, generation: int, new_connection: Callable[[str], Any]) -> Any:
        now = (generation, os.getpid())
        # The servers were left; or the process was forked, and would read its parent's answers.
        if self._made_in != now:
            for connection in self._connections.values():
                connection.disconnect()
            self._connections, self._made_in = {}, now
        if server not in self._connections:
            self._connections[server] = new_connection(server)
        return self._connections[server]


def _answers(connection: Any, packed: Sequence[bytes], count: int) -> list[Any]:
    was_connected = connection.is_connected
    try:
        return _exchanged(connection, packed, count)
    except RedisConnectionError:
        # An idle connection does not notice that the server has left and come back.
        if not was_connected:
            raise
        return _exchanged(connection, packed, count)


def _exchanged(connection: Any, packed: Sequence[bytes], count: int) -> list[Any]:
    connection.connect()
    connection.send_packed_command(packed)
    # All are read, whatever the first one is: what is left unread would be taken for the answer to the next question.
    return without_errors([_answer_or_error(connection) for _ in range(count)])


def without_errors(answers: list[Any]) -> list[Any]:
    """Return the answers to several commands; the first error among them is raised as the server told it."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def _answer_or_error(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error
