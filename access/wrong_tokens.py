"""Wrong tokens: PostgreSQL is not asked about each, where one address sends many.

Note [Only wrong tokens are refused]. Behind one address there may be a whole hospital. So an address that sent too many
wrong tokens is not locked out: its tokens are first looked up in a copy of what tokens there are, at most five seconds
old, and only those that are in nobody's hand are refused. A valid token is answered as ever, whoever else sends what
from the same address; one that was issued a moment ago, after five seconds at the latest.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime

from django.db.models.functions import Left

from access import metrics
from access.models import ApiToken, digest_of
from access.policies import WRONG_TOKENS
from rest.problems import too_many_requests
from rest.rate_limits import Policy, RateLimiter

COPY_SECONDS = 5.0
DIGITS_COPIED = 16  # 64 bits: whoever finds a secret with the same has PostgreSQL asked, and gains nothing
MAX_COPIED = 20_000  # some 3 MB; with more tokens than that nobody is refused here


class ValidTokens:
    """The beginnings of the digests of all valid tokens, as they were a moment ago. Safe to share between threads.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._beginnings: frozenset[str] = frozenset()

    def may_have(self, digest: str, now: datetime) -> bool:
        """Tell whether a token with this digest may be valid."""
        with self._lock:
            if self._clock() - self._asked_at >= COPY_SECONDS:
                asked_at = self._clock()
                beginnings = ApiToken.objects.valid_at(now).values_list(Left("digest", DIGITS_COPIED), flat=True)
                self._beginnings = frozenset(beginnings.order_by()[: MAX_COPIED + 1])
                self._asked_at = asked_at
            return digest[:DIGITS_COPIED] in self._beginnings or len(self._beginnings) > MAX_COPIED


class WrongTokens:
    """Counts the wrong tokens of each address, and refuses more of an address that sent too many.

    Args:
        policy: How many each address may send; a quota of 0 is no limit.
        clock: Seconds that never go back.
    """

    def __init__(self, policy: Policy = WRONG_TOKENS, clock: Callable[[], float] = time.monotonic) -> None:
        self._limiter = RateLimiter(policy, clock) if policy.quota else None
        self._valid_tokens = ValidTokens(clock)

    def check(self, secret: str, address: str | None, now: datetime) -> None:
        """Let a token through to be looked at.

        Raises:
            TOO_MANY_REQUESTS: it is wrong, and one of too many. PostgreSQL was not asked about it.
        """
        exceeded = self._limiter.exceeded(address) if self._limiter else None
        if exceeded and not self._valid_tokens.may_have(digest_of(secret), now):
            metrics.REQUESTS_LIMITED.labels(exceeded.policy.name).inc()
            raise too_many_requests("Too many wrong tokens came from this address, and this is one more.", exceeded)

    def count(self, address: str | None) -> None:
        """Count a wrong token."""
        if self._limiter:
            self._limiter.take(address)


wrong_tokens = WrongTokens()
