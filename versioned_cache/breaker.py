"""A circuit breaker around Redis: after some failures in a row nobody waits for it, but one probe now and then.

What made somebody wait before it failed opens it at once, so that no request waits for the same Redis twice.

The libraries for it either hold a lock over the call, or let several probes through.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FAILURES_TO_OPEN = 3
OPEN_SECONDS = 1.0
SLOW_SECONDS = 0.05  # a call slower than this counts as failed, though it answered in time


class CacheUnavailable(Exception):
    """Redis refused, failed, hung or answered nonsense; nothing may be concluded from it."""


class CommandRefused(CacheUnavailable):
    """Redis answers, and refuses the command."""


class BreakerOpen(CacheUnavailable):
    """Redis is not trusted at present; nothing was tried."""


class Breaker:
    """The state of one process's trust in Redis. Safe to share between threads; no lock is held over a call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_again_at = 0.0
        self._cause = ""

    @contextmanager
    def guard(self, *, bypass: bool = False) -> Iterator[None]:
        """Run the block if Redis is trusted, or as the one probe, and learn from how it ends.

        Args:
            bypass: Whether to run the block in any case.

        Raises:
            BreakerOpen: Redis is not trusted at present; nothing was tried.
        """
        if not bypass:
            self.enter()
        started = time.monotonic()
        try:
            yield
        except CacheUnavailable as error:
            self.learn(time.monotonic() - started, error)
            raise
        self.learn(time.monotonic() - started)

    def enter(self) -> None:
        """Return if Redis is trusted, or if this caller is the one probe; it owes a call of `learn`.

        Raises:
            BreakerOpen: Redis is not trusted at present; nothing may be tried.
        """
        if self._failures < FAILURES_TO_OPEN:
            return
        with self._lock:
            if time.monotonic() < self._closed_again_at:
                raise BreakerOpen(f"not asked, since it failed: {self._cause}")
            # This caller is the probe; whoever comes while it is under way is turned away.
            self._closed_again_at = time.monotonic() + OPEN_SECONDS

    def learn(self, seconds: float, error: CacheUnavailable | None = None) -> None:
        """Take note of how an operation ended, and of how long it took."""
        is_slow = seconds > SLOW_SECONDS
        if error is not None:
            self._fail(FAILURES_TO_OPEN if is_slow else 1, str(error))
        elif is_slow:
            self._fail(1, "it answers slowly")
        else:
            self._failures = 0

    def _fail(self, failures: int, cause: str) -> None:
        with self._lock:
            self._cause = cause
            # An open one keeps its probes: else bumps that fail more often than that would keep all reads out.
            if self._failures < FAILURES_TO_OPEN:
                self._closed_again_at = time.monotonic() + OPEN_SECONDS
            self._failures += failures
