"""Bearer tokens over HTTP (RFC 6750), and the users that they belong to.

A process remembers the bearer of a token for a few seconds, so that a cached read does not ask PostgreSQL. A
revocation, a deactivation or a change of groups takes effect after 5 s at the latest, and a token's own expiry at once:
by PostgreSQL's clock, whatever this host's clock says. Only safe requests use what is remembered: for a write,
PostgreSQL is asked again. Wrong tokens are *not* remembered, so that guessing fills no memory and a fresh token works
at once.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from cachetools import TLRUCache
from django.contrib.auth.models import User
from django.db.models.functions import Now
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from access.addresses import counted_address
from access.models import ApiToken
from access.token_uses import token_uses
from access.wrong_tokens import wrong_tokens

BEARER_TTL_SECONDS = 5.0
MAX_BEARERS = 1_000
HEADER = "HTTP_AUTHORIZATION"


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whom a token belonged to when PostgreSQL was asked.

    Attributes:
        user: The user, with their permissions loaded.
        token: The token.
        rights: The names of the permissions that the user has.
        ends_at: Until when this may be remembered, in seconds of the process's monotonic clock.
    """

    user: User
    token: ApiToken
    rights: frozenset[str]
    ends_at: float

    def may_read(self, view_class: Any) -> bool:
        """Tell whether the user may read from a view set."""
        return view_class.read_right in self.rights


def bearer_of(authorization: str) -> Bearer | None:
    """Ask PostgreSQL whom the token in this Authorization header belongs to.

    None if there is no bearer token, or if it is unknown, expired or revoked, or its user is inactive.
    """
    secret = _secret_in(authorization)
    if secret is None:
        return None
    asked_at = time.monotonic()
    token = ApiToken.objects.with_secret(secret).valid().annotate(now=Now()).select_related("user").first()
    if token is None:
        return None
    now: datetime = token.now  # type: ignore[attr-defined]  # annotated
    token_uses.note(token, now)
    # The user caches them, so that later checks do not ask PostgreSQL.
    rights = frozenset(token.user.get_all_permissions())
    return Bearer(token.user, token, rights, asked_at + _seconds_to_remember(token, now))


def _seconds_to_remember(token: ApiToken, now: datetime) -> float:
    """Return for how long a token may be remembered that was asked about at `now`."""
    if token.expires_at is None:
        return BEARER_TTL_SECONDS
    return min(BEARER_TTL_SECONDS, (token.expires_at - now).total_seconds())


class Bearers:
    """The bearers that this process remembers, by the digests of their headers. Safe to share between threads.

    Args:
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self._by_digest: TLRUCache[str, Bearer] = TLRUCache(
            MAX_BEARERS, ttu=lambda _digest, bearer, _now: bearer.ends_at, timer=clock
        )

    def remembered(self, authorization: str) -> Bearer | None:
        """Return the bearer who sends this Authorization header, if it is remembered. Does not ask PostgreSQL."""
        with self._lock:
            return self._by_digest.get(_digest_of(authorization))

    def recent(self, authorization: str) -> Bearer | None:
        """Return the bearer who sends this Authorization header, as of at most 5 s ago; None if it is not valid."""
        bearer = self.remembered(authorization)
        if bearer is None and (bearer := bearer_of(authorization)) is not None:
            with self._lock:
                self._by_digest[_digest_of(authorization)] = bearer
        return bearer


bearers = Bearers()


class BearerTokenAuthentication(BaseAuthentication):
    """Authenticates `Authorization: Bearer <token>`. A wrong, an expired and a revoked token get the same answer."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the token's user and the token, or None if the client sent no bearer token.

        Raises:
            AuthenticationFailed: the token is not valid.
            TOO_MANY_REQUESTS: it is not, and neither were too many others from this address.
        """
        authorization = request.META.get(HEADER, "")
        if _secret_in(authorization) is None:
            return None
        bearer = _bearer_of(request, authorization)
        if bearer is None:
            raise AuthenticationFailed("The token is unknown, expired or revoked.")
        return bearer.user, bearer.token

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 (RFC 9110 §11.6.1)."""
        return "Bearer"


def bearer_in(meta: Mapping[str, Any]) -> Bearer | None:
    """Ask PostgreSQL who sends a request, given its headers as WSGI has them; see `bearer_of`.

    A wrong token is not counted here: whoever refuses it does.

    Raises:
        TOO_MANY_REQUESTS: too many others from this address were wrong, and so is this one.
    """
    authorization = meta.get(HEADER, "")
    secret = _secret_in(authorization)
    if secret is None:
        return None
    wrong_tokens.check(secret, counted_address(meta))
    return bearer_of(authorization)


def remembered_bearer(meta: Mapping[str, Any]) -> Bearer | None:
    """Return who sends a request, given its headers in WSGI form, if this process remembers the bearer."""
    authorization = meta.get(HEADER)
    return None if authorization is None else bearers.remembered(authorization)


def actor_of(request: Request) -> User:
    """Return the user who sends the request; only authenticated requests reach a view."""
    return cast(User, request.user)


def _bearer_of(request: Request, authorization: str) -> Bearer | None:
    """Return who sends a request. A wrong token is counted, and refused if there were too many."""
    may_be_remembered = request.method in SAFE_METHODS
    if may_be_remembered and (bearer := bearers.remembered(authorization)):
        return bearer
    address = counted_address(request.META)
    wrong_tokens.check(_secret_in(authorization) or "", address)
    bearer = (bearers.recent if may_be_remembered else bearer_of)(authorization)
    if bearer is None:
        wrong_tokens.count(address)
    return bearer


def _secret_in(authorization: str) -> str | None:
    """Return the token of an Authorization header; None if there is no bearer token in it."""
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _digest_of(authorization: str) -> str:
    """Return the digest that a header is remembered by, so that no secret stays in memory."""
    return hashlib.sha256(authorization.encode()).hexdigest()
