"""The warning that Redis is unusable: at once, then at most once a second, with the reads it stands for."""

import threading
import time

import structlog

from versioned_cache import events, metrics
from versioned_cache.breaker import BreakerOpen, CacheUnavailable
from versioned_cache.keys import Resource
from versioned_cache.metrics import RedisOperation

logger = structlog.get_logger(__name__)

QUIET_SECONDS = 1.0


class OutageLog:
    """Logs an outage without drowning the log when every request meets it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unreported_reads = 0
        self._quiet_until = 0.0

    def count(self, operation: RedisOperation, error: CacheUnavailable) -> None:
        """Count a failed operation of a read that somebody else is going to report."""
        if not isinstance(error, BreakerOpen):  # then nothing was tried, so nothing failed
            metrics.ERRORS.labels(operation).inc()

    def report(self, operation: RedisOperation, resource: Resource, error: CacheUnavailable) -> None:
        """Count a failed operation, and log it with those not reported before, unless a warning just went out."""
        self.count(operation, error)
        with self._lock:
            # A read counts once: when something else of it fails later, it is still the same read.
            self._unreported_reads += operation is RedisOperation.READ
            now = time.monotonic()
            if now < self._quiet_until:
                return
            reads, self._unreported_reads = self._unreported_reads, 0
            self._quiet_until = now + QUIET_SECONDS
        logger.warning(
            events.UNAVAILABLE,
            operation=operation,
            resource=resource.kind.label,
            key=resource.counter_key,
            error=str(error),
            reads=reads,
        )
