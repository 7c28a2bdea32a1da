"""How often a token may be used: the settings may give its reads and its writes a quota each."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from access import metrics
from access.models import ApiToken
from access.policies import READS, WRITES
from rest.problems import too_many_requests
from rest.rate_limits import Exceeded, Policy, RateLimiter

if TYPE_CHECKING:  # the views import this module, by way of the settings
    from rest_framework.views import APIView


class TokenLimits:
    """The quotas of all tokens in this process. Safe to share between threads.

    Args:
        reads: How many reads each token has; a quota of 0 means no limit.
        writes: How many writes, likewise.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self, reads: Policy = READS, writes: Policy = WRITES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._reads = RateLimiter(reads, clock) if reads.quota else None
        self._writes = RateLimiter(writes, clock) if writes.quota else None

    def exceeded(self, token: ApiToken, method: str) -> Exceeded | None:
        """Return what the token has exceeded if its reads or writes are used up, without counting a use."""
        limiter = self._limiter_for(method)
        return limiter.exceeded(token.pk) if limiter else None

    def take(self, token: ApiToken, method: str) -> Exceeded | None:
        """Count one read or write; if the quota is used up, count nothing and return what was exceeded."""
        limiter = self._limiter_for(method)
        return limiter.take(token.pk) if limiter else None

    def _limiter_for(self, method: str) -> RateLimiter | None:
        return self._reads if method in SAFE_METHODS else self._writes


token_limits = TokenLimits()


class TokenThrottle(BaseThrottle):
    """Refuses a request whose token has used up its quota. The settings install it only if there are quotas."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Let a request through, and count it.

        Raises:
            TOO_MANY_REQUESTS: the token's quota is used up.
        """
        exceeded = token_limits.take(cast(ApiToken, request.auth), cast(str, request.method))
        if exceeded:
            metrics.REQUESTS_LIMITED.labels(exceeded.policy.name).inc()
            raise too_many_requests(f"The token has used up its {exceeded.policy.name} for now.", exceeded)
        return True
