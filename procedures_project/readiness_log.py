"""What changes from one look to the next, logged once: PostgreSQL lost and back, the host's clock off, ready or not."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from rest.outage import DatabaseOutageLog

logger = structlog.get_logger(__name__)

DOWN, READ_ONLY, UNKNOWN = "down", "read-only", "unknown"
CLOCK = "clock"
WORST_FIRST = ("starting", "draining", "unavailable", "degraded", "ok")


@dataclass(slots=True)
class Trouble:
    """Something that begins, lasts and ends.

    Attributes:
        began, ended: The events.
        since: When it was first found; None while there is none.
        refused_before: How many requests PostgreSQL had failed when it was not yet found.
    """

    began: str
    ended: str
    since: float | None = None
    refused_before: int = 0


class ReadinessLog:
    """Compares each look with the one before it, and logs what has changed. To be used by one thread at a time.

    Args:
        found: What was found before the first look.
        outage_log: Counts the requests that PostgreSQL fails.
        clock: Seconds that never go back.
    """

    def __init__(
        self, found: Mapping[str, str], outage_log: DatabaseOutageLog, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._outage_log = outage_log
        self._clock = clock
        self._status, self._status_since = found["status"], clock()
        self._refused = outage_log.refused
        self._lost = Trouble("database_lost", "database_recovered")
        self._read_only = Trouble("database_read_only", "database_takes_writes")
        self._clock_off = Trouble("host_clock_off", "host_clock_right")

    def note(self, found: Mapping[str, str]) -> None:
        """Log what has changed, and the failures that were held back."""
        self._outage_log.flush()
        refused = self._outage_log.refused
        postgresql = found["postgresql"]
        if postgresql != UNKNOWN:  # else the look tells nothing, so nothing begins or ends
            self._note(self._lost, postgresql == DOWN, refused=refused)
            self._note(self._read_only, postgresql == READ_ONLY, refused=refused)
        if postgresql not in {UNKNOWN, DOWN}:
            self._note(self._clock_off, CLOCK in found, clock=found.get(CLOCK))
        self._refused = refused
        self._note_status(found)

    def _note(self, trouble: Trouble, there_is: bool, refused: int | None = None, **fields: str | None) -> None:
        if there_is and trouble.since is None:
            trouble.since, trouble.refused_before = self._clock(), self._refused
            logger.warning(trouble.began, **fields)
        elif not there_is and trouble.since is not None:
            seconds, trouble.since = round(self._clock() - trouble.since, 3), None
            counted = {} if refused is None else {"requests_refused": refused - trouble.refused_before}
            logger.info(trouble.ended, seconds=seconds, **counted)

    def _note_status(self, found: Mapping[str, str]) -> None:
        before, status = self._status, found["status"]
        if status == before:
            return
        seconds = round(self._clock() - self._status_since, 3)
        self._status, self._status_since = status, self._clock()
        is_better = WORST_FIRST.index(status) > WORST_FIRST.index(before)
        (logger.info if is_better else logger.warning)("readiness_changed", before=before, seconds=seconds, **found)
