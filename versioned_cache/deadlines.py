"""A time limit for a whole operation of Redis.

redis-py's timeouts count from one piece of an answer to the next: a server that trickles never times out. This
parser counts from the beginning of the operation, handshake included.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from redis.connection import DefaultParser
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
