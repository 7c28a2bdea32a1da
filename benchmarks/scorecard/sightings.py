"""What was seen after a write, and what the table says of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.scorecard.contestants import Contestant

ACKNOWLEDGED = "acknowledged"
KILLED = "killed"
READERS = 2  # they take turns
NOTICEABLE_SECONDS = 1.0  # a write that took longer is told of


@dataclass(frozen=True)
class Written:
    """How a write ended for whoever asked for it.

    Attributes:
        at: When its answer came, or when it was known to be committed (time.monotonic).
        ended: "acknowledged", "killed", or the error that it failed with.
        seconds: How long it took.
    """

    at: float
    ended: str
    seconds: float


@dataclass(frozen=True)
class Look:
    """One read after a write.

    Attributes:
        began_after: How many seconds after the write it began.
        is_stale: Whether it showed what was there before.
        error: What was answered instead of a body.
    """

    began_after: float
    is_stale: bool
    error: str | None


@dataclass(frozen=True)
class Sighting:
    """What readers were shown after a write.

    Attributes:
        written: The write.
        is_committed: Whether it had been written at all; a refused write makes nothing stale.
        reads: How many reads began after it.
        stale_reads: How many of them showed what was there before it.
        stale_seconds: How long after the write the last of these began.
        is_over: Whether none of the readers' last reads was stale.
        errors: What was answered instead of a body, each once.
    """

    written: Written
    is_committed: bool
    reads: int
    stale_reads: int
    stale_seconds: float
    is_over: bool
    errors: list[str]

    def is_within(self, seconds: float) -> bool:
        """Tell whether it was over in that time."""
        return self.is_over and self.stale_seconds <= seconds


def sighting_of(written: Written, looks: Sequence[Look], *, is_committed: bool) -> Sighting:
    """Return what the reads amount to."""
    stale = [look for look in looks if look.is_stale]
    return Sighting(
        written=written,
        is_committed=is_committed,
        reads=len(looks),
        stale_reads=len(stale),
        stale_seconds=stale[-1].began_after if stale else 0.0,
        is_over=not any(look.is_stale for look in looks[-READERS:]),
        errors=sorted({look.error for look in looks if look.error}),
    )


def worst(sightings: Iterable[Sighting]) -> Sighting:
    """Return the one that was stale for longest."""
    return max(sightings, key=lambda sighting: sighting.stale_seconds)


@dataclass(frozen=True)
class Entry:
    """One field of the table."""

    contestant: Contestant
    scenario: str
    sighting: Sighting


def verdict_of(sighting: Sighting) -> str:
    """Return what the table says."""
    remark = _remark_on(sighting)
    return f"{_freshness_of(sighting)} ({remark})" if remark else _freshness_of(sighting)


def _freshness_of(sighting: Sighting) -> str:
    if not sighting.stale_reads:
        return "fresh"
    return f"{sighting.stale_seconds:.1f} s" if sighting.is_over else f"≥ {sighting.stale_seconds:.0f} s"


def _remark_on(sighting: Sighting) -> str:
    written = sighting.written
    is_slow = written.seconds >= NOTICEABLE_SECONDS
    if written.ended in (ACKNOWLEDGED, KILLED):
        return f"write took {written.seconds:.0f} s" if is_slow else ""
    failure = "write failed" if sighting.is_committed else "write refused"
    return f"{failure} after {written.seconds:.0f} s" if is_slow else failure
