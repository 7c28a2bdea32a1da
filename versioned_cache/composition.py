"""Bodies that are made of other resources' bodies: `[`, the items joined by commas, `]`.

Note [Blocks]. A list of a thousand procedures changes by one. So it is held as blocks of neighbouring items, some
64 KiB each. The next version takes over every block whose items have not changed, as it is and as it is compressed.
Where a block ends depends on the items near its end alone, so an item that comes, goes or grows moves few other blocks.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from versioned_cache import gzip_form
from versioned_cache.keys import ResourceKind

LEAST_BLOCK_BYTES = 32 * 1024  # twice as many in the middle
MOST_BLOCK_BYTES = 256 * 1024  # but for an item that is longer
WHOLE_BYTES = 512 * 1024  # a body up to this length is held in one piece, too, which is quicker to send

NO_VERSION = 0
"""That of an item, or of a list, that nobody may look for: no version is below 1."""

Buffer = bytes | memoryview
Segments = tuple[bytes, ...]
"""A body in pieces, to be sent one after the other."""


class Item(NamedTuple):
    """What is known of an item of a list.

    Attributes:
        identifier: Which one of its kind it is.
        version: The version that its body belongs to; `NO_VERSION` where it has none.
        length: Of its body, in bytes.
        checksum: CRC-32 of its body.
    """

    identifier: str
    version: int
    length: int
    checksum: int

    @property
    def may_end_block(self) -> bool:
        """Whether a block may end with it: as many bytes lie between two such items as a block has at least."""
        return zlib.crc32(self.identifier.encode()) % LEAST_BLOCK_BYTES < self.length


def item_of(identifier: str, version: int, body: bytes) -> Item:
    """Return what is to be known of an item with this body."""
    return Item(identifier, version, len(body), zlib.crc32(body))


class Block:
    """Neighbouring items: the bracket or the comma before the first, and their bodies joined by commas."""

    __slots__ = ("body", "items", "places")

    def __init__(self, items: tuple[Item, ...], bodies: Sequence[Buffer], *, is_first: bool) -> None:
        self.items = items
        self.body = (b"[" if is_first else b",") + b",".join(bodies)
        self.places: dict[str, tuple[Item, int]] = {}
        start = 1
        for item in items:
            self.places[item.identifier] = (item, start)
            start += item.length + 1


@dataclass(frozen=True, slots=True)
class SegmentedBody:
    """A body in pieces that is not a composition."""

    segments: Segments

    def __len__(self) -> int:
        return sum(map(len, self.segments))

    def __bytes__(self) -> bytes:
        return b"".join(self.segments)


class Composition:
    """A body that is made of items. It does not change, but its gzip form is made when it is first asked for.

    Args:
        kind: The kind of the items.
        blocks: The blocks that they are in, in their order.
        parts: The gzip form of each block, where it is known.
    """

    def __init__(self, kind: ResourceKind, blocks: Sequence[Block], parts: Sequence[bytes | None]) -> None:
        self.kind = kind
        self._blocks = blocks
        self._parts = parts
        self._length = sum(len(block.body) for block in blocks) + len(self._end)
        self._block_of: dict[str, Block] = {}
        for block in blocks:
            self._block_of.update(dict.fromkeys(block.places, block))

    def __len__(self) -> int:
        return self._length

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces)

    @property
    def items(self) -> list[Item]:
        """The items, in their order."""
        return [item for block in self._blocks for item in block.items]

    @property
    def held_bytes(self) -> int:
        """How many bytes of memory it takes, its gzip form included."""
        copies = 1 if self._length > WHOLE_BYTES else 2
        return copies * (self._length + sum(len(part) for part in self._parts if part))

    @cached_property
    def segments(self) -> Segments:
        """The body in pieces."""
        return self._in_few_pieces(self._pieces)

    @cached_property
    def gzipped(self) -> SegmentedBody:
        """The gzip form, for which only the parts that are not known yet are made; not for two threads at once."""
        windows = [b"", *(block.body for block in self._blocks)]
        parts = [
            part or gzip_form.compressed_block(block.body, window)
            for part, block, window in zip(self._parts, self._blocks, windows, strict=False)
        ]
        self._parts = parts
        return SegmentedBody(self._in_few_pieces(gzip_form.assembled(parts, self._end, self._pieces)))

    @property
    def known_gzipped(self) -> SegmentedBody | None:
        """The gzip form, if it has been asked for; it may be given up at any moment (`forget_gzipped`)."""
        return vars(self).get("gzipped")

    def forget_gzipped(self) -> None:
        """Free the memory that the gzip form takes."""
        vars(self).pop("gzipped", None)
        self._parts = [None] * len(self._blocks)

    def item(self, identifier: str, version: int) -> Item | None:
        """Return an item, if it is there in that version."""
        block = self._block_of.get(identifier)
        if block is None or version == NO_VERSION:
            return None
        item, _ = block.places[identifier]
        return item if item.version == version else None

    def body_of(self, item: Item) -> memoryview:
        """Return the body of an item that is there."""
        block = self._block_of[item.identifier]
        _, start = block.places[item.identifier]
        return memoryview(block.body)[start : start + item.length]

    def followed_by(self, items: Sequence[Item], bodies: dict[str, bytes]) -> "Composition":
        """Return the composition of other items, which shares what has not changed with this one.

        Args:
            items: The items, in their order.
            bodies: The bodies of those that are not here, by identifier. They are taken out, so that there are never
                two copies of them all.
        """
        numbers = {block.items: number for number, block in enumerate(self._blocks)}
        blocks: list[Block] = []
        parts: list[bytes | None] = []
        for group in blocks_of(items):
            number = numbers.get(group)
            if number is None or (number == 0) != (not blocks):
                block = Block(group, [self._found(item, bodies) for item in group], is_first=not blocks)
                part = None
            else:
                block = self._blocks[number]
                # It was compressed with the end of the block before it as its dictionary.
                is_in_its_place = number == 0 or blocks[-1] is self._blocks[number - 1]
                part = self._parts[number] if is_in_its_place else None
            blocks.append(block)
            parts.append(part)
        return Composition(self.kind, blocks, parts)

    def _found(self, item: Item, bodies: dict[str, bytes]) -> Buffer:
        body = bodies.pop(item.identifier, None)
        return self.body_of(item) if body is None else body

    @property
    def _end(self) -> bytes:
        return b"]" if self._blocks else b"[]"

    @property
    def _pieces(self) -> Segments:
        return (*(block.body for block in self._blocks), self._end)

    def _in_few_pieces(self, pieces: Segments) -> Segments:
        return pieces if self._length > WHOLE_BYTES else (b"".join(pieces),)


def blocks_of(items: Iterable[Item]) -> Iterator[tuple[Item, ...]]:
    """Yield the items block by block."""
    block: list[Item] = []
    length = 0
    for item in items:
        block.append(item)
        length += item.length
        if length >= MOST_BLOCK_BYTES or (length >= LEAST_BLOCK_BYTES and item.may_end_block):
            yield tuple(block)
            block, length = [], 0
    if block:
        yield tuple(block)
