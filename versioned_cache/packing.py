"""Commands as they go over the wire to Redis (RESP), without a copy of what is long.

redis-py's own packing is made for short commands: it copies a body of 3 MB for longer than Redis takes to store it.
"""

from collections.abc import Iterable

Argument = bytes | str | int | float | tuple[bytes, ...]
"""A tuple is one argument in pieces."""

LONG_BYTES = 16_384


class SegmentPacker:
    """Packs commands; an argument may come in pieces (argument `command_packer` of redis-py's connections)."""

    def pack(self, *arguments: Argument) -> list[bytes]:
        """Return the pieces of a command, to be sent one after the other.

        redis-py names some commands by two words, such as `CLUSTER SLOTS`; to Redis these are two arguments.
        """
        words: tuple[Argument, ...] = (
            tuple(str(arguments[0]).split()) if isinstance(arguments[0], str) else arguments[:1]
        )
        whole = words + arguments[1:]
        pieces = [b"*%d\r\n" % len(whole)]
        for argument in whole:
            segments = argument if isinstance(argument, tuple) else (_encoded(argument),)
            pieces.append(b"$%d\r\n" % sum(map(len, segments)))
            pieces += segments
            pieces.append(b"\r\n")
        return list(_merged(pieces))


def _encoded(argument: bytes | str | float) -> bytes:
    return argument if isinstance(argument, bytes) else str(argument).encode()


def _merged(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """Yield the pieces, short ones together with their neighbours."""
    short: list[bytes] = []
    for piece in pieces:
        if len(piece) < LONG_BYTES:
            short.append(piece)
        else:
            if short:
                yield b"".join(short)
                short = []
            yield piece
    if short:
        yield b"".join(short)
