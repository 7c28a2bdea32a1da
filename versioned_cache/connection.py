"""What the engine needs of a connection to Redis beyond redis-py: a limit on a whole operation, and a cheap GET.

redis-py's timeouts count from one piece of an answer to the next, so a server that trickles never times out. The
parser here counts from the beginning of the operation, handshake included.

redis-py's client takes a connection from its pool for each command, looks whether it is still good, and gives it back:
half of what a GET costs. Here each thread keeps one of its own. It is made as the pool's are, so timeouts, TLS,
Sentinel and passwords are what the settings say.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from redis import Redis
from redis.connection import DefaultParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.utils import SENTINEL

NEGLIGIBLE_SECONDS = 0.001

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
            # To set a timeout and to set it back are two system calls, and each may cost the thread the interpreter.
            return super().read_from_socket(raise_on_timeout=raise_on_timeout)
        return super().read_from_socket(remaining_seconds, raise_on_timeout)


def new_connection(redis: Redis) -> Any:
    """Return a connection like those of the client's pool, not connected yet and not of the pool."""
    pool = cast(Any, redis.connection_pool)
    return pool.connection_class(**pool.connection_kwargs)


def get_command(key: str) -> bytes:
    """Return a GET as it goes over the wire (RESP, the Redis serialization protocol)."""
    name = key.encode()
    return b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(name), name)


class ThreadConnection(threading.local):
    """A connection to Redis for each thread that uses it.

    Args:
        redis: Whose pool says how connections are made.
    """

    def __init__(self, redis: Redis) -> None:
        self._connection = new_connection(redis)

    def get(self, key: str) -> bytes | None:
        """Return the text under a key, or None.

        Raises:
            RedisError: Redis is unusable.
        """
        command = get_command(key)
        was_connected = self._connection.is_connected
        try:
            self._connection.send_packed_command([command])
            return self._answer()
        except RedisConnectionError:
            # An idle connection does not notice that the server has left and come back.
            if not was_connected:
                raise
            self._connection.send_packed_command([command])
            return self._answer()

    def _answer(self) -> bytes | None:
        return cast("bytes | None", self._connection.read_response(disable_decoding=True))
