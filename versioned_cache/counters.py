"""The one question that every read asks, as cheaply as it can be asked.

redis-py's client takes a connection from its pool for each command, looks whether it is still good, and gives it
back: half of what a GET costs. Here each thread keeps one of its own. The connections are made as the pool's are,
so timeouts, TLS, Sentinel and passwords are what the settings say.
"""

import threading
from typing import Any, cast

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from versioned_cache.keys import Resource


class Counters(threading.local):
    """Reads the counters over a connection of the thread's own.

    Args:
        redis: Whose pool says how connections are made.
    """

    def __init__(self, redis: Redis) -> None:
        pool = cast(Any, redis.connection_pool)
        self._connection = pool.connection_class(**pool.connection_kwargs)

    def get(self, resource: Resource) -> int | None:
        """Return the counter, or None where there is none; what is no number counts as none, and is put right.

        Raises:
            RedisError: Redis is unusable.
        """
        command = _get_command(resource.counter_key)
        was_connected = self._connection.is_connected
        try:
            held = self._ask(command)
        except RedisConnectionError:
            # An idle connection does not notice that the server has left and come back.
            if not was_connected:
                raise
            held = self._ask(command)
        return int(held) if held is not None and held.isdigit() else None

    def _ask(self, command: bytes) -> bytes | None:
        self._connection.send_packed_command([command])
        return cast("bytes | None", self._connection.read_response(disable_decoding=True))


def _get_command(key: str) -> bytes:
    """Write GET as RESP, the Redis serialization protocol; the keys of resources are ASCII."""
    return b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key.encode("ascii"))
