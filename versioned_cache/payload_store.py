"""Payloads in Redis: bodies under their versions, and the indexes of those that are made of items.

Note [Pieces]. Redis does one thing at a time, and a read waits for it at most a tenth of a second. So whatever may be
long is read in pieces of 1 MiB: others are served between two of them, and each has the whole time limit to itself. A
payload never changes, so its pieces belong together. Writing is one command, with more time the longer it is.
"""

import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import orjson
from redis import Redis

from versioned_cache.composition import Buffer, Composition, Item
from versioned_cache.configuration import LONG_BYTES, PAYLOAD_TTL_SECONDS
from versioned_cache.keys import Resource, ResourceKind
from versioned_cache.store import Store, results_of

PAYLOAD_TTL_JITTER = 0.1  # spreads the expiries of payloads that were stored together
PIECE_BYTES = 1024 * 1024
MOST_HEAD_BYTES = 256  # of the line before the body

Thing = TypeVar("Thing")
Span = tuple[int, int]
"""Where a part of a body begins and ends."""


class DamagedPayload(Exception):
    """The stored bytes are not what this code stored: another build's shape, or damaged. They count as absent."""


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A payload as it lies in Redis.

    Attributes:
        fingerprint: The shape that it says it has.
        body: The body.
    """

    fingerprint: str
    body: bytes


@dataclass(frozen=True, slots=True)
class PayloadSummary:
    """What can be said of a payload without reading it.

    Attributes:
        fingerprint: The shape that it says it has.
        size_bytes: The length of its body.
        age_seconds: How long it has been there, give or take the jitter of its expiry.
    """

    fingerprint: str
    size_bytes: int
    age_seconds: int


class PayloadStore:
    """The payloads in Redis. Every method raises `CacheUnavailable` when Redis is unusable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def payload(self, resource: Resource, version: int, fingerprint: str) -> bytes | None:
        """Return the stored body of `version`, or None.

        Raises:
            DamagedPayload: there is one, of another fingerprint or damaged.
        """
        stored = self._read(resource.payload_key(version))
        return None if stored is None else _unwrapped(stored, fingerprint)

    def store_payload(self, resource: Resource, version: int, fingerprint: str, *segments: bytes) -> None:
        """Store the body of `version`, which may come in pieces, until it expires."""
        self._write(resource.payload_key(version), _wrapped(fingerprint, *segments), _ttl_ms())

    def index(self, resource: Resource, version: int, fingerprint: str) -> list[Item] | None:
        """Return the items that the body of `version` is made of, or None where Redis cannot tell.

        Raises:
            DamagedPayload: what is there is damaged, or of another fingerprint.
        """
        stored = self._read(resource.index_key(version, fingerprint))
        return None if stored is None else [Item(*item) for item in orjson.loads(_unwrapped(stored, fingerprint))]

    def store_index(self, resource: Resource, version: int, fingerprint: str, items: Sequence[Item]) -> None:
        """Store which items the body of `version` is made of; to be called when they are there."""
        index = _wrapped(fingerprint, orjson.dumps(list(map(tuple, items))))
        # It outlives what it tells of: a body without its index would have to be taken as a whole.
        self._write(resource.index_key(version, fingerprint), index, int(PAYLOAD_TTL_SECONDS * 1100))

    def parts(
        self, resource: Resource, version: int, fingerprint: str, spans: Sequence[Span]
    ) -> Iterator[bytes | None]:
        """Yield parts of the stored body of `version`, unchecked; None in place of one that is not there."""
        key, head = resource.payload_key(version), len(_head(fingerprint, 0))
        for batch in batches(spans, lambda span: span[1] - span[0]):
            commands = [("GETRANGE", key, head + start, head + end - 1) for start, end in batch]
            for (start, end), piece in zip(batch, self._ask(commands), strict=True):
                yield piece if len(piece) == end - start else None

    def item_bodies(self, kind: ResourceKind, items: Sequence[Item], fingerprint: str) -> dict[str, bytes]:
        """Return the bodies of those items, by identifier, that are stored singly under their versions."""
        found: dict[str, bytes] = {}
        for batch in self._item_batches(kind, items):
            for (_, item), stored in zip(batch, self._ask([("GET", key) for key, _ in batch]), strict=True):
                if stored is not None:
                    with suppress(DamagedPayload):  # as good as absent; who reads the item itself reports it
                        found[item.identifier] = _unwrapped(stored, fingerprint)
        return found

    def store_item_bodies(self, composition: Composition, items: Sequence[Item], fingerprint: str) -> None:
        """Store the bodies of some items of a composition singly, under their versions."""
        for batch in self._item_batches(composition.kind, items):
            bodies = [b"".join(_wrapped(fingerprint, composition.body_of(item))) for _, item in batch]
            self._ask([("SET", key, body, "PX", _ttl_ms()) for (key, _), body in zip(batch, bodies, strict=True)])

    def _item_batches(self, kind: ResourceKind, items: Sequence[Item]) -> Iterator[list[tuple[str, Item]]]:
        """Yield items with their keys, in batches for one server each."""
        by_server: dict[str, list[tuple[str, Item]]] = {}
        for item in items:
            key = kind(item.identifier).payload_key(item.version)
            by_server.setdefault(self._store.server_of(key), []).append((key, item))
        for group in by_server.values():
            yield from batches(group, lambda keyed: keyed[1].length)

    def stored_payload(self, resource: Resource, version: int) -> StoredPayload | None:
        """Return what is stored under `version`, whatever its fingerprint, or None."""
        stored = self._read(resource.payload_key(version))
        if stored is None:
            return None
        head, _, body = stored.partition(b"\n")
        return StoredPayload(_fingerprint_in(head), body)

    def _read(self, key: str) -> bytes | None:
        """Return what lies under a key, or None (Note [Pieces])."""
        pieces = [self._piece(key, 0)]
        while len(pieces[-1]) == PIECE_BYTES:
            pieces.append(self._piece(key, len(pieces)))
        return b"".join(pieces) or None

    def _piece(self, key: str, number: int) -> bytes:
        start = number * PIECE_BYTES
        return cast(bytes, self._store.run(key, lambda client: client.getrange(key, start, start + PIECE_BYTES - 1)))

    def _write(self, key: str, stored: Sequence[Buffer], ttl_ms: int) -> None:
        size_bytes = sum(map(len, stored))
        # The connections for what is long take a value in pieces.
        value: Any = tuple(stored) if size_bytes > LONG_BYTES else b"".join(stored)
        self._store.run(key, lambda client: client.set(key, value, px=ttl_ms), size_bytes=size_bytes)

    def _ask(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the answers to commands whose keys one server has."""

        def ask(client: Redis) -> list[Any]:
            pipeline: Any = client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            return results_of(pipeline)

        return self._store.run(commands[0][1], ask)


def summary_commands(key: str) -> list[tuple[Any, ...]]:
    """Return what to ask of a payload's key, to be able to tell about it whatever its length."""
    return [("GETRANGE", key, 0, MOST_HEAD_BYTES - 1), ("STRLEN", key), ("PTTL", key)]


def summary_in(beginning: bytes, length: int, left_ms: int) -> PayloadSummary | None:
    """Return what the answers to `summary_commands` tell, or None where there is no payload."""
    if not length:
        return None
    head = beginning.partition(b"\n")[0]
    age_ms = max(0, PAYLOAD_TTL_SECONDS * 1000 - left_ms)
    return PayloadSummary(_fingerprint_in(head), length - len(head) - 1, int(age_ms) // 1000)


def batches(things: Iterable[Thing], length_of: Callable[[Thing], int]) -> Iterator[list[Thing]]:
    """Yield things in batches of 1 MiB or so, for one round trip each."""
    batch: list[Thing] = []
    length = 0
    for thing in things:
        batch.append(thing)
        length += length_of(thing)
        if length >= PIECE_BYTES:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch


def _ttl_ms() -> int:
    spread = random.uniform(1 - PAYLOAD_TTL_JITTER, 1 + PAYLOAD_TTL_JITTER)  # noqa: S311  # no secret
    return int(PAYLOAD_TTL_SECONDS * 1000 * spread)


def _wrapped(fingerprint: str, *body: Buffer) -> list[Buffer]:
    """Put the fingerprint and a checksum on a line before the body, which redis-cli then shows as it is."""
    checksum = 0
    for segment in body:
        checksum = zlib.crc32(segment, checksum)
    return [_head(fingerprint, checksum), *body]


def _head(fingerprint: str, checksum: int) -> bytes:
    return f"{fingerprint} {checksum:08x}\n".encode()


def _fingerprint_in(head: bytes) -> str:
    return head.decode(errors="replace").split(" ")[0]


def _unwrapped(stored: bytes, fingerprint: str) -> bytes:
    head, end, body = stored.partition(b"\n")
    if head + end != _head(fingerprint, zlib.crc32(body)):
        raise DamagedPayload(f"its first line is {head[:40]!r}")
    return body
