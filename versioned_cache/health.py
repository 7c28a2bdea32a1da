"""What Redis is good for, as this process found it last; each change is logged once, with how long it lasted."""

import threading
import time
from dataclasses import dataclass
from enum import StrEnum

import structlog

from versioned_cache import events, metrics
from versioned_cache.breaker import CacheUnavailable, CommandRefused

logger = structlog.get_logger(__name__)


class RedisState(StrEnum):
    """What Redis is good for."""

    OK = "ok"
    REFUSES = "refuses bumps"  # it answers, and takes no writes: a replica, an access list, a cluster in pieces
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class RedisHealth:
    """What Redis is good for.

    Attributes:
        reason: If it refuses bumps, the code of its answer and what that means; anybody may read that.
    """

    state: RedisState
    reason: str = ""


WELL = RedisHealth(RedisState.OK)


class HealthLog:
    """Remembers how Redis is, and logs each change once. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current = WELL
        self._degraded_at = 0.0
        self._bumps_lost = 0

    def count_lost_bumps(self, count: int) -> None:
        """Count bumps that Redis did not take."""
        with self._lock:
            self._bumps_lost += count

    def fell_ill(self, error: CacheUnavailable) -> RedisHealth:
        """Note that Redis takes no bumps, and why."""
        health = RedisHealth(RedisState.DOWN)
        if isinstance(error, CommandRefused):
            health = RedisHealth(RedisState.REFUSES, f"{error.code}: {error.refusal.meaning}")
        state = health.state
        with self._lock:
            before, self._current = self._current, health
            if before is WELL:
                self._degraded_at = time.monotonic()
        metrics.BUMPS_REFUSED.set(state is RedisState.REFUSES)
        if before.state is not state:
            logger.warning(events.DEGRADED, redis=state.value, error=str(error))
        return health

    def recovered(self) -> RedisHealth:
        """Note that Redis takes bumps."""
        with self._lock:
            before, self._current = self._current, WELL
            bumps_lost, self._bumps_lost = self._bumps_lost, 0
            seconds = time.monotonic() - self._degraded_at
        metrics.BUMPS_REFUSED.set(0)
        if before is not WELL:
            logger.info(events.RECOVERED, redis=before.state.value, seconds=round(seconds, 3), bumps_lost=bumps_lost)
        return WELL
