"""A circuit breaker around Redis: after some failures in a row nobody waits for it.

An operation that made somebody wait before it failed opens it at once, so that no request waits for the same Redis
twice. So does an answer that says that this server takes no bumps. One that says that its memory is full is not a
failure: such a server takes them. Only a write that Redis has taken closes it: otherwise a server that answers reads
and refuses bumps would be believed for ever (Note [Refused bumps]). While it is open such a write is tried now and
then; no read waits for that.

Libraries for this either hold a lock during the call, or use reads as the probe.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from versioned_cache import events
from versioned_cache.refusals import Refusal, Scope, refusal_of

logger = structlog.get_logger(__name__)

FAILURES_TO_OPEN = 3
OPEN_SECONDS = 1.0
SLOW_SECONDS = 0.05  # a call slower than this counts as failed, though it answered in time


class CacheUnavailable(Exception):
    """Redis refused, failed, hung or answered nonsense; nothing may be concluded from that."""


class CommandRefused(CacheUnavailable):
    """Redis answers, and refuses the command.

    Args:
        code: The first word of its answer.
        text: The answer.

    Attributes:
        refusal: What the code means.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {refusal_of(code).meaning} ({text.removeprefix(code).strip()})")
        self.code = code
        self.refusal: Refusal = refusal_of(code)


def is_full(error: CacheUnavailable | None) -> bool:
    """Tell whether a server refused only for want of memory: its counters are right, and it takes bumps."""
    return isinstance(error, CommandRefused) and error.refusal.scope is Scope.MEMORY


def unavailable(error: Exception) -> CacheUnavailable:
    """Return what to raise for an error of a driver, a resolver or TLS."""
    return CacheUnavailable(f"{type(error).__name__}: {error}")


class BreakerOpen(CacheUnavailable):
    """Redis is not trusted at present; nothing was tried."""


class Breaker:
    """The state of one process's trust in Redis. Safe to share between threads; no lock is held over a call.

    Args:
        ask_for_proof: Called now and then while the breaker is open, by an operation that was turned away: it should
            have a write tried, and must not wait for that.
    """

    def __init__(self, ask_for_proof: Callable[[], object] = lambda: None) -> None:
        self._ask_for_proof = ask_for_proof
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_at: float | None = None
        self._next_proof_at = 0.0
        self._cause = ""

    @property
    def is_open(self) -> bool:
        """Whether Redis is not trusted at present."""
        return self._opened_at is not None

    @contextmanager
    def guard(self, *, bypass: bool = False, proves: bool = False, extra_seconds: float = 0.0) -> Iterator[None]:
        """Run the block if Redis is trusted, and learn from how it ends.

        Args:
            bypass: Whether to run the block in any case.
            proves: Whether the block is a write of the kind that a bump is: if it ends well, Redis is trusted.
            extra_seconds: How much longer than usual it may take before it counts as slow.

        Raises:
            BreakerOpen: Redis is not trusted at present; nothing was tried.
        """
        if not bypass:
            self.enter()
        started = time.monotonic()
        try:
            yield
        except CacheUnavailable as error:
            self.learn(time.monotonic() - started - extra_seconds, error, proves=proves)
            raise
        self.learn(time.monotonic() - started - extra_seconds, proves=proves)

    def enter(self) -> None:
        """Return if Redis is trusted; the caller owes a call of `learn`.

        Raises:
            BreakerOpen: Redis is not trusted at present; nothing may be tried.
        """
        if self._opened_at is None:
            return
        with self._lock:
            is_due = time.monotonic() >= self._next_proof_at
            if is_due:
                self._next_proof_at = time.monotonic() + OPEN_SECONDS
        if is_due:
            self._ask_for_proof()
        raise BreakerOpen(f"not asked, since it failed: {self._cause}")

    def learn(self, seconds: float, error: CacheUnavailable | None = None, *, proves: bool = False) -> None:
        """Take note of how an operation ended, and of how long it took."""
        is_slow = seconds > SLOW_SECONDS
        if is_full(error) and not (is_slow or proves):
            return
        if error is not None:
            is_distrusted = isinstance(error, CommandRefused) and (proves or error.refusal.scope is Scope.SERVER)
            self._fail(FAILURES_TO_OPEN if is_slow or is_distrusted else 1, str(error))
        elif is_slow:
            self._fail(1, "it answers slowly")
        elif self._opened_at is None:
            self._failures = 0
        elif proves:
            self._close()

    def distrust(self, error: CacheUnavailable) -> None:
        """Open at once, if it is not open, whatever may have gone well since."""
        self._fail(FAILURES_TO_OPEN, str(error))

    def _fail(self, failures: int, cause: str) -> None:
        with self._lock:
            self._cause = cause
            self._failures += failures
            is_opened = self._opened_at is None and self._failures >= FAILURES_TO_OPEN
            if is_opened:
                self._opened_at = time.monotonic()
                self._next_proof_at = self._opened_at + OPEN_SECONDS
        if is_opened:
            logger.warning(events.BREAKER_OPENED, error=cause)

    def _close(self) -> None:
        with self._lock:
            opened_at, self._opened_at, self._failures = self._opened_at, None, 0
        if opened_at is not None:
            logger.info(events.BREAKER_CLOSED, seconds=round(time.monotonic() - opened_at, 3))
