"""Commands as they go over the wire."""

import pytest
from redis.connection import PythonRespSerializer

from versioned_cache.packing import LONG_BYTES, SegmentPacker


def by_redis_py(*arguments: bytes | str | float) -> bytes:
    """Pack as redis-py does."""
    packer = PythonRespSerializer(6_000, lambda value: value if isinstance(value, bytes) else str(value).encode())
    return b"".join(packer.pack(*arguments))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "arguments",
    [
        ("GET", "a key"),
        ("SET", "a", b"\x00 \r\n", "PX", 300),
        ("CLUSTER SLOTS",),
        ("CONFIG GET", "maxmemory*"),
        ("SET", "long", b"x" * LONG_BYTES),
    ],
)
def test_a_command_goes_over_the_wire_as_redis_py_sends_it(arguments: tuple[bytes | str | int, ...]) -> None:
    assert b"".join(SegmentPacker().pack(*arguments)) == by_redis_py(*arguments)


def test_an_argument_in_pieces_is_one_argument() -> None:
    long = b"y" * LONG_BYTES

    assert b"".join(SegmentPacker().pack("SET", "key", (b"x", long, b"z"))) == by_redis_py(
        "SET", "key", b"x" + long + b"z"
    )
