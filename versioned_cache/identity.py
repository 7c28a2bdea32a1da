"""Who answers at an address: that it is a server that takes bumps, and whether it is still the same one.

Connections to a server outlive its demotion, when the forwarder, the name or the Sentinel in front already leads to
another one. So a fresh connection is made now and then, and the server that answers is compared with the one before.
"""

import time
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoPermissionError, ResponseError

# A write like that of a bump, which leaves nothing behind.
PROBE = """#!lua flags=allow-oom
redis.call('SET', KEYS[1], 1, 'PX', 1)
return redis.call('DEL', KEYS[1])
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """That a server takes bumps.

    Attributes:
        identity: Who it is; empty where its access list hides that.
        seconds: How long it took to write.
    """

    identity: str
    seconds: float


class Identity:
    """Who answered last, by server."""

    def __init__(self) -> None:
        self._known: dict[str, str] | None = None

    def has_changed(self, found: dict[str, str]) -> bool:
        """Tell whether other servers may answer than before, and remember these; at first, nobody knows who did."""
        known, self._known = self._known, found
        return known != found


def proof_of(connection: Any, probe_key: str, *, is_cluster: bool) -> Proof:
    """Return who answers, after it has taken a write.

    Args:
        connection: A fresh one, connected.
        probe_key: What to write.
        is_cluster: Whether a node of a cluster is expected.

    Raises:
        ResponseError: it takes no bumps, or is not what was expected.
    """
    identity = _identity_of(connection, is_cluster=is_cluster)
    started = time.monotonic()
    _ask(connection, "EVAL", PROBE, 1, probe_key)
    return Proof(identity, time.monotonic() - started)


def _identity_of(connection: Any, *, is_cluster: bool) -> str:
    try:
        server = _fields_of(_ask(connection, "INFO", "server"))
    except NoPermissionError:
        return ""
    mode = server.get("redis_mode") or server.get("server_mode")  # as Redis calls it, and as Valkey does
    if mode == "sentinel":
        raise ResponseError("SENTINEL redis+sentinel:// leads to the server that it names")
    if mode == "cluster" and not is_cluster:
        raise ResponseError("CLUSTER redis+cluster:// leads to all of them")
    return server.get("run_id", "")


def _ask(connection: Any, *command: object) -> Any:
    connection.send_command(*command)
    return connection.read_response()


def _fields_of(information: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in information.decode(errors="replace").splitlines())
    return {name: value for name, separator, value in pairs if separator}
