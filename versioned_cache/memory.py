"""The bodies in this process's memory. They need no invalidation: a version's body never changes."""

import threading

from cachetools import TTLCache

from versioned_cache.composition import Composition, SegmentedBody, Segments
from versioned_cache.configuration import PAYLOAD_TTL_SECONDS
from versioned_cache.keys import Resource

MAX_BYTES = 64 * 1024 * 1024

Body = bytes | SegmentedBody | Composition
Key = tuple[str, str]
"""A payload's key and its fingerprint."""


class Memory:
    """Bodies by version, least recently used first out, at most 64 MiB. Safe to share between threads.

    Of a body that is made of items, only the version that was put last is kept: the next one is made from it, and takes
    over what has not changed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies: TTLCache[Key, Body] = TTLCache(MAX_BYTES, PAYLOAD_TTL_SECONDS, getsizeof=_size_bytes)
        self._compositions: dict[Key, Key] = {}  # by the resource's name and the fingerprint

    @property
    def size_bytes(self) -> int:
        """How many bytes of bodies there are."""
        return int(self._bodies.currsize)

    def get(self, resource: Resource, version: int, fingerprint: str) -> Body | None:
        """Return the body of `version`, or None; an item of a larger body is found too."""
        with self._lock:
            body = self._bodies.get((resource.payload_key(version), fingerprint))
            if body is None and self._compositions:
                body = self._item(resource, version, fingerprint)
            return body

    def put(self, resource: Resource, version: int, fingerprint: str, body: Body) -> None:
        """Keep the body of `version`, unless it alone is larger than the whole memory."""
        key = (resource.payload_key(version), fingerprint)
        with self._lock:
            if isinstance(body, Composition):
                self._make_way_for_composition(key, (resource.name, fingerprint), body)
            if _size_bytes(body) <= MAX_BYTES:
                self._bodies[key] = body

    def composition(self, resource: Resource, fingerprint: str) -> Composition | None:
        """Return the last composition of a resource, whichever version it belongs to, or None."""
        with self._lock:
            key = self._compositions.get((resource.name, fingerprint))
            body = None if key is None else self._bodies.get(key)
        return body if isinstance(body, Composition) else None

    def _make_way_for_composition(self, key: Key, whose: Key, composition: Composition) -> None:
        earlier = self._compositions.get(whose)
        if earlier is not None and earlier != key:
            self._bodies.pop(earlier, None)
        self._compositions[whose] = key
        if _size_bytes(composition) > MAX_BYTES:
            composition.forget_gzipped()

    def _item(self, resource: Resource, version: int, fingerprint: str) -> bytes | None:
        for (_, shape), key in self._compositions.items():
            composition = self._bodies.get(key) if shape == fingerprint else None
            if isinstance(composition, Composition) and composition.kind is resource.kind:
                item = composition.item(resource.identifier, version)
                if item is not None:
                    return bytes(composition.body_of(item))
        return None


def segments_of(body: Body) -> Segments:
    """Return a body in pieces, to be sent one after the other."""
    return (body,) if isinstance(body, bytes) else body.segments


def _size_bytes(body: Body) -> int:
    return body.held_bytes if isinstance(body, Composition) else len(body)
