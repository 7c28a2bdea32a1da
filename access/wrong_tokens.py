"""Wrong tokens: when an address sends many, PostgreSQL is no longer asked about each of them.

Note [Only wrong tokens are refused]. A whole hospital may be behind one address. So an address that sent too many wrong
tokens is not locked out. Instead its tokens are looked up in a copy of the valid ones, at most five seconds old, and
only those that are not in it are refused. A valid token always works, whatever others send from the same address; a
token that was just issued works after five seconds at the latest.
"""

import threading
import time
from collections.abc import Callable

from django.db.models.functions import Left

from access import metrics
from access.models import ApiToken, digest_of
from access.policies import WRONG_TOKENS
from rest.problems import too_many_requests
from rest.rate_limits import Policy, RateLimiter

COPY_SECONDS = 5.0
DIGITS_COPIED = 16  # 64 bits: a wrong secret with the same ones is looked up in PostgreSQL, and gains nothing
MAX_COPIED = 20_000  # about 3 MB; with more tokens than that nothing is refused here


class ValidTokens:
    """The beginnings of the digests of all valid tokens, at most 5 s old. Safe to share between threads.

    Args:
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._beginnings: frozenset[str] = frozenset()

    def may_have(self, digest: str) -> bool:
        """Tell whether a token with this digest may be valid."""
        with self._lock:
            if self._clock() - self._asked_at >= COPY_SECONDS:
                asked_at = self._clock()
                beginnings = ApiToken.objects.valid().values_list(Left("digest", DIGITS_COPIED), flat=True)
                self._beginnings = frozenset(beginnings.order_by()[: MAX_COPIED + 1])
                self._asked_at = asked_at
            return digest[:DIGITS_COPIED] in self._beginnings or len(self._beginnings) > MAX_COPIED


class WrongTokens:
    """Counts the wrong tokens of each address, and refuses more from an address that sent too many.

    Args:
        policy: How many each address may send; a quota of 0 means no limit.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, policy: Policy = WRONG_TOKENS, clock: Callable[[], float] = time.monotonic) -> None:
        self._limiter = RateLimiter(policy, clock) if policy.quota else None
        self._valid_tokens = ValidTokens(clock)

    def check(self, secret: str, address: str | None) -> None:
        """Let a token through to be checked.

        Raises:
            TOO_MANY_REQUESTS: the token is wrong, and so were too many others. PostgreSQL was not asked about it.
        """
        exceeded = self._limiter.exceeded(address) if self._limiter else None
        if exceeded and not self._valid_tokens.may_have(digest_of(secret)):
            metrics.REQUESTS_LIMITED.labels(exceeded.policy.name).inc()
            raise too_many_requests("This token is wrong, and too many wrong tokens came from this address.", exceeded)

    def count(self, address: str | None) -> None:
        """Count a wrong token."""
        if self._limiter:
            self._limiter.take(address)


wrong_tokens = WrongTokens()
