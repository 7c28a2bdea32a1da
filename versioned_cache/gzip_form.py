"""The gzip form of bodies (RFC 1952): of a plain one as a whole, of one in blocks block by block.

A stream of DEFLATE (RFC 1951) may end any block at a whole byte, and whatever follows goes on from there. So blocks are
compressed one by one, each with the end of the one before it as its dictionary, which is what a reader's window then
holds: the whole is as short as if it had been compressed at once, to within a hundredth. Every gzip reader accepts it,
since it is one member of one stream.
"""

import gzip
import struct
import zlib
from collections.abc import Iterable

LEVEL = 6  # zlib's own default; the form is made once a version, so all who read that share its cost
HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no flags, no time, of no system in particular
NO_HEADER = -zlib.MAX_WBITS  # to zlib: the bare stream
WINDOW_BYTES = 1 << zlib.MAX_WBITS


def compressed(body: bytes) -> bytes:
    """Return the gzip form of a body as a whole."""
    return gzip.compress(body, LEVEL)


def compressed_block(block: bytes, previous: bytes) -> bytes:
    """Return a part of a stream, of which the end is still to come.

    Args:
        block: What to compress.
        previous: What stands before it in the stream; empty at the beginning.
    """
    window = previous[-WINDOW_BYTES:]
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, NO_HEADER, zdict=window)
    return compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH)


def assembled(parts: Iterable[bytes], end: bytes, body: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the gzip form of a body in pieces.

    Args:
        parts: The parts of its stream, in their order.
        end: The end of the body, which the parts leave out.
        body: All of the body in pieces, which need not be those of the parts.
    """
    checksum = length = 0
    for piece in body:
        checksum, length = zlib.crc32(piece, checksum), length + len(piece)
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, NO_HEADER)
    last = compressor.compress(end) + compressor.flush()
    return (HEADER, *parts, last + struct.pack("<LL", checksum, length % 2**32))
