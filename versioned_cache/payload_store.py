"""Payloads in Redis: bodies under their versions, and the indexes of those that are made of items.

Note [Pieces]. Redis does one thing at a time, and a read waits for it at most a tenth of a second. So whatever may be
long is read in pieces of 1 MiB: others are served between two of them, and each has the whole time limit to itself. A
payload never changes, so its pieces belong together. Writing is one command, with more time for longer payloads.
"""

import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar, cast

import orjson

from versioned_cache.composition import Buffer, Composition, Item
from versioned_cache.configuration import LONG_BYTES, PAYLOAD_TTL_SECONDS
from versioned_cache.keys import Resource, ResourceKind
from versioned_cache.store import Command, Store

PAYLOAD_TTL_JITTER = 0.1  # spreads the expiries of payloads that were stored together
PIECE_BYTES = 1024 * 1024
MOST_HEAD_BYTES = 256  # of the line before the body

Thing = TypeVar("Thing")
Span = tuple[int, int]
"""Where a part of a body begins and ends."""


class DamagedPayload(Exception):
    """The stored bytes are not what this code would store: another shape, or damaged. They count as absent."""


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A payload as it is stored in Redis.

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


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at Redis found of a version, as it is stored there.

    Attributes:
        resource, version, fingerprint: What was looked for.
        is_claimed: Whether the look has claimed the build.
        most_bytes: How much of the payload was asked for.
        payload: What the payload begins with; empty where there is none.
        index: What the index begins with; empty where there is none, or none was asked for.
    """

    resource: Resource
    version: int
    fingerprint: str
    is_claimed: bool
    most_bytes: int
    payload: bytes
    index: bytes


class PayloadStore:
    """The payloads in Redis. Every method raises `CacheUnavailable` when Redis is unusable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def look(  # noqa: PLR0913  # what is sought, and how
        self,
        resource: Resource,
        version: int,
        fingerprint: str,
        *,
        has_index: bool = False,
        most_bytes: int | None = None,
        claim_seconds: float = 0.0,
    ) -> Look:
        """Look what there is of `version`, in one round trip; before that, claim to be the one who builds it.

        Args:
            resource: Whose body.
            version: Which one.
            fingerprint: The shape that it must have.
            has_index: Whether there may be an index.
            most_bytes: How much of the payload to fetch at once; a piece by default.
            claim_seconds: For how long to claim the build, unless somebody does so already; 0: not at all.
        """
        most_bytes = most_bytes or PIECE_BYTES
        commands: list[Command] = []
        if claim_seconds:
            claim_key = resource.claim_key(version, fingerprint)
            commands.append(("SET", claim_key, "", "NX", "PX", int(claim_seconds * 1000)))
        commands.append(("GETRANGE", resource.payload_key(version), 0, most_bytes - 1))
        if has_index:
            commands.append(("GETRANGE", resource.index_key(version, fingerprint), 0, PIECE_BYTES - 1))
        answers = self._store.ask(commands)
        is_claimed = bool(claim_seconds and answers.pop(0))
        payload, index = answers if has_index else (*answers, b"")
        return Look(resource, version, fingerprint, is_claimed, most_bytes, payload, index)

    def body(self, look: Look) -> bytes | None:
        """Return the whole body that was looked for, or None.

        Raises:
            DamagedPayload: there is one, of another fingerprint or damaged.
        """
        stored = self._whole(look.resource.payload_key(look.version), look.payload, look.most_bytes)
        return _unwrapped(stored, look.fingerprint) if stored else None

    def items(self, look: Look) -> list[Item] | None:
        """Return the items of the body that was looked for, or None where Redis cannot tell.

        Raises:
            DamagedPayload: what is there is damaged, or of another fingerprint.
        """
        stored = self._whole(look.resource.index_key(look.version, look.fingerprint), look.index, PIECE_BYTES)
        return [Item(*item) for item in orjson.loads(_unwrapped(stored, look.fingerprint))] if stored else None

    def store_payload(
        self, resource: Resource, version: int, fingerprint: str, *segments: bytes, items: Sequence[Item] = ()
    ) -> None:
        """Store the body of `version`, which may come in pieces, until it expires; and its index, if it has items."""
        stored = _wrapped(fingerprint, *segments)
        size_bytes = sum(map(len, stored))
        # The connections for what is long take a value in pieces.
        value = tuple(stored) if size_bytes > LONG_BYTES else b"".join(stored)
        commands: list[Command] = [("SET", resource.payload_key(version), value, "PX", _ttl_ms())]
        if items:
            commands.append(_storing_index(resource, version, fingerprint, items))
        self._store.ask(commands, size_bytes=size_bytes)

    def store_index(self, resource: Resource, version: int, fingerprint: str, items: Sequence[Item]) -> None:
        """Store which items the body of `version` is made of; to be called when they are there."""
        self._store.ask([_storing_index(resource, version, fingerprint, items)])

    def parts(self, look: Look, spans: Sequence[Span]) -> Iterator[bytes | None]:
        """Yield parts of the body that was looked for, unchecked; None in place of one that is not there."""
        key, head = look.resource.payload_key(look.version), len(_head(look.fingerprint, 0))
        if spans and head + spans[-1][1] <= len(look.payload):  # the look has brought them
            yield from (look.payload[head + start : head + end] for start, end in spans)
            return
        for batch in batches(spans, lambda span: span[1] - span[0]):
            commands = [("GETRANGE", key, head + start, head + end - 1) for start, end in batch]
            for (start, end), piece in zip(batch, self._store.ask(commands), strict=True):
                yield piece if len(piece) == end - start else None

    def item_bodies(self, kind: ResourceKind, items: Sequence[Item], fingerprint: str) -> dict[str, bytes]:
        """Return the bodies of those items, by identifier, that are stored singly under their versions."""
        found: dict[str, bytes] = {}
        for batch in batches(items, lambda item: item.length):
            commands = [("GET", kind(item.identifier).payload_key(item.version)) for item in batch]
            for item, stored in zip(batch, self._store.ask(commands), strict=True):
                if stored is not None:
                    with suppress(DamagedPayload):  # as good as absent; a read of the item itself reports it
                        found[item.identifier] = _unwrapped(stored, fingerprint)
        return found

    def store_item_bodies(self, composition: Composition, items: Sequence[Item], fingerprint: str) -> None:
        """Store the bodies of some items of a composition singly, under their versions."""
        for batch in batches(items, lambda item: item.length):
            self._store.ask([_storing_item(composition, item, fingerprint) for item in batch])

    def stored_payload(self, resource: Resource, version: int) -> StoredPayload | None:
        """Return what is stored under `version`, whatever its fingerprint, or None."""
        stored = self._whole(resource.payload_key(version))
        if not stored:
            return None
        head, _, body = stored.partition(b"\n")
        return StoredPayload(_fingerprint_in(head), body)

    def _whole(self, key: str, beginning: bytes = b"", most_bytes: int = 0) -> bytes:
        """Return everything under a key, empty where there is nothing (Note [Pieces]).

        Args:
            key: The key.
            beginning: What is already known of it.
            most_bytes: The length of `beginning` if there is more to come.
        """
        pieces, length = [beginning], len(beginning)
        while length == most_bytes:
            piece = self._piece(key, length)
            pieces.append(piece)
            length, most_bytes = length + len(piece), length + PIECE_BYTES
        return b"".join(pieces)

    def _piece(self, key: str, start: int) -> bytes:
        (piece,) = self._store.ask([("GETRANGE", key, start, start + PIECE_BYTES - 1)])
        return cast(bytes, piece)


def summary_commands(key: str) -> list[Command]:
    """Return the commands that tell about a payload without reading it, whatever its length."""
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


def _storing_index(resource: Resource, version: int, fingerprint: str, items: Sequence[Item]) -> Command:
    index = b"".join(_wrapped(fingerprint, orjson.dumps(list(map(tuple, items)))))
    # It outlives the body: a body without its index would have to be fetched whole.
    return ("SET", resource.index_key(version, fingerprint), index, "PX", int(PAYLOAD_TTL_SECONDS * 1100))


def _storing_item(composition: Composition, item: Item, fingerprint: str) -> Command:
    key = composition.kind(item.identifier).payload_key(item.version)
    return ("SET", key, b"".join(_wrapped(fingerprint, composition.body_of(item))), "PX", _ttl_ms())


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
