"""Clocks that are wrong: one that stands still, and that of a process, by libfaketime; the machine's stays right."""

from pathlib import Path

LIBRARIES = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]


class StillClock:
    """A monotonic clock that stands still until a test sets it, in place of the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time in seconds."""
        return self.now


def clock_off_by(minutes: int) -> dict[str, str]:
    """Return the variables of a process whose clock is so far ahead, or behind if negative."""
    return {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME": f"{minutes:+}m",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
