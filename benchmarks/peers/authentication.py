"""Bearer tokens as DRF's own `TokenAuthentication` checks them: one statement a request, the rest in Python."""

from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from access.models import ApiToken, digest_of


class BearerTokenAuthentication(TokenAuthentication):
    """DRF's token authentication over the service's tokens.

    The statement names the token alone. The service's own also names the present instant, so that the caches of
    query sets would store each request's answer and never find one.
    """

    keyword = "Bearer"
    model: Any = ApiToken

    def authenticate_credentials(self, key: str) -> tuple[User, ApiToken]:
        try:
            token = ApiToken.objects.select_related("user").get(digest=digest_of(key))
        except ApiToken.DoesNotExist:
            raise AuthenticationFailed("Invalid token.") from None
        is_expired = token.expires_at is not None and token.expires_at <= timezone.now()
        if is_expired or token.revoked_at is not None or not token.user.is_active:
            raise AuthenticationFailed("Invalid token.")
        return token.user, token
