"""The form of prometheus_client's files of counts, read strictly: the directory may contain other or damaged files.

A file begins with four bytes that say how much of it is used, and four of nothing. Each entry has four bytes with the
length of its key, the key (JSON), blanks up to a multiple of eight, the number and its time, as doubles.
"""

import json
import os
import stat
import struct
from functools import lru_cache
from pathlib import Path

MAX_BYTES = 64 * 1024 * 1024
MAX_KEYS = 50_000
HEAD_BYTES = 8
NUMBER_BYTES = 16
LENGTH = struct.Struct("i")


class DamagedFile(Exception):
    """A file is not of this form; the message says why."""


def check_records(path: Path) -> None:
    """Check that a file can be read.

    Raises:
        DamagedFile: it cannot.
    """
    try:
        data = _content_of(path)
        position = HEAD_BYTES
        while position < len(data):
            position = _end_of_entry(data, position)
    except (OSError, struct.error) as error:
        raise DamagedFile(str(error)) from None


def _content_of(path: Path) -> bytes:
    """Return the part of a file that is used."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a pipe would block
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DamagedFile("it is not a regular file")
        head = file.read(HEAD_BYTES)
        used = LENGTH.unpack_from(head)[0]
        if not (used == 0 or HEAD_BYTES <= used <= MAX_BYTES):
            raise DamagedFile(f"it says that it has {used} bytes")
        data = head + file.read(max(0, used - HEAD_BYTES))
    if len(data) < used:
        raise DamagedFile(f"it has {len(data)} bytes in place of {used}")
    return data


def _end_of_entry(data: bytes, position: int) -> int:
    length = LENGTH.unpack_from(data, position)[0]
    if length < 0:
        raise DamagedFile(f"a key of {length} bytes")
    begin: int = position + LENGTH.size
    end: int = begin + length + (8 - (length + LENGTH.size) % 8) + NUMBER_BYTES
    if end > len(data):
        raise DamagedFile("the last entry is cut short")
    _check_key(data[begin : begin + length])
    return end


@lru_cache(MAX_KEYS)
def _check_key(key: bytes) -> None:
    """Check that a key names a metric, a sample, its labels and the metric's description."""
    try:
        metric, sample, labels, description = json.loads(key)
        if "le" in labels:
            float(labels["le"])
        is_good = all(isinstance(text, str) for text in (metric, sample, description, *labels, *labels.values()))
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedFile(f"a malformed key: {error}") from None
    if not is_good:
        raise DamagedFile("a malformed key")
