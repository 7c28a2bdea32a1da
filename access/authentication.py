"""Bearer tokens over HTTP (RFC 6750)."""

from typing import cast

from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from access.bearers import bearer_of, bearers
from access.models import ApiToken


class BearerTokenAuthentication(BaseAuthentication):
    """Authenticate `Authorization: Bearer <token>`; the same answer for a wrong, expired or revoked token."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the token's user and the token, or None where no bearer token was sent.

        Raises:
            AuthenticationFailed: the token does not open the door.
        """
        secret = secret_in(request.META.get("HTTP_AUTHORIZATION", ""))
        if secret is None:
            return None
        bearer = (bearers.recent if request.method in SAFE_METHODS else bearer_of)(secret, timezone.now())
        if bearer is None:
            raise AuthenticationFailed("The token is unknown, expired or revoked.")
        return bearer.user, bearer.token

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401 (RFC 9110 §11.6.1)."""
        return "Bearer"


def secret_in(authorization: str) -> str | None:
    """Return the token of an Authorization header; None where it holds no bearer token."""
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def actor_of(request: Request) -> User:
    """Return the user who makes the request; views are only reached by authenticated ones."""
    return cast(User, request.user)
