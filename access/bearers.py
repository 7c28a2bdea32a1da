"""Who holds a token, remembered in the process for a few seconds, so that a cached read asks PostgreSQL nothing.

What is remembered takes a revocation, a deactivation or a change of groups into account after 5 s at the latest;
a token's own expiry is looked at each time. Only safe requests rely on it: whoever writes is asked for anew.
Nobody is remembered *not* to be let in, so that guessing fills no memory and a fresh token works at once.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cachetools import TLRUCache
from django.contrib.auth.models import User

from access.models import ApiToken, digest_of
from access.rights import Right

BEARER_TTL_SECONDS = 5.0
MAX_BEARERS = 1_000


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who a token stands for, as PostgreSQL told it at one instant.

    Attributes:
        user: The user, whose permissions are loaded.
        token: The token.
        rights: The names of the permissions that the user has.
        asked_at: When PostgreSQL was asked, in seconds of the process's own clock.
    """

    user: User
    token: ApiToken
    rights: frozenset[str]
    asked_at: float

    def may(self, right: Right) -> bool:
        """Tell whether the user has the right."""
        return right in self.rights

    def is_valid_at(self, instant: datetime) -> bool:
        """Tell whether the token has not expired."""
        return self.token.expires_at is None or self.token.expires_at > instant


def bearer_of(secret: str, now: datetime) -> Bearer | None:
    """Ask PostgreSQL who holds a token; None for one that is unknown, expired or revoked, or whose user is gone."""
    asked_at = time.monotonic()
    token = ApiToken.objects.with_secret(secret).valid_at(now).select_related("user").first()
    if token is None:
        return None
    # Loads them into the user too, so that no later question asks PostgreSQL.
    rights = frozenset(token.user.get_all_permissions())
    return Bearer(token.user, token, rights, asked_at)


class Bearers:
    """The bearers that this process has met, by the digests of their tokens. Safe to share between threads.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._by_digest: TLRUCache[str, Bearer] = TLRUCache(
            MAX_BEARERS, ttu=lambda _digest, bearer, _now: bearer.asked_at + BEARER_TTL_SECONDS, timer=clock
        )

    def remembered(self, secret: str, now: datetime) -> Bearer | None:
        """Return who holds the token, if that was asked a moment ago. Asks nobody."""
        with self._lock:
            bearer = self._by_digest.get(digest_of(secret))
        return bearer if bearer is not None and bearer.is_valid_at(now) else None

    def recent(self, secret: str, now: datetime) -> Bearer | None:
        """Return who holds the token, at most 5 s ago; None where nobody did."""
        bearer = self.remembered(secret, now)
        if bearer is None and (bearer := bearer_of(secret, now)) is not None:
            with self._lock:
                self._by_digest[bearer.token.digest] = bearer
        return bearer


bearers = Bearers()
