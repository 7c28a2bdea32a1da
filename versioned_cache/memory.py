"""The bodies in this process's memory. They need no invalidation: a version's body never changes."""

import threading

from cachetools import TTLCache

from versioned_cache.keys import Resource
from versioned_cache.store import PAYLOAD_TTL_SECONDS

MAX_BYTES = 64 * 1024 * 1024

Key = tuple[str, str]
"""A payload's key and its fingerprint."""


class Memory:
    """Bodies by version, least recently used first out, at most 64 MiB. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies: TTLCache[Key, bytes] = TTLCache(MAX_BYTES, PAYLOAD_TTL_SECONDS, getsizeof=len)

    @property
    def size_bytes(self) -> int:
        """How many bytes of bodies there are."""
        return int(self._bodies.currsize)

    def get(self, resource: Resource, version: int, fingerprint: str) -> bytes | None:
        """Return the body of `version`, or None."""
        with self._lock:
            return self._bodies.get((resource.payload_key(version), fingerprint))

    def put(self, resource: Resource, version: int, fingerprint: str, body: bytes) -> None:
        """Keep the body of `version`; one that is larger than all the room is not kept."""
        if len(body) <= MAX_BYTES:
            with self._lock:
                self._bodies[resource.payload_key(version), fingerprint] = body
