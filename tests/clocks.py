"""A process whose clock is off, by libfaketime; that of the machine stays as it is."""

from pathlib import Path

LIBRARIES = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]


def clock_off_by(minutes: int) -> dict[str, str]:
    """Return the variables of a process whose clock is so far ahead, or behind if negative."""
    return {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME": f"{minutes:+}m",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
