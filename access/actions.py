"""Issuing and revoking API tokens."""

from datetime import datetime

from django.contrib.auth.models import User

from access.models import ApiToken, new_secret


def issue_token(*, user: User, name: str, expires_at: datetime | None = None) -> str:
    """Create a token for `user` and return its secret, which cannot be read again later."""
    secret = new_secret()
    token = ApiToken(user=user, name=name, expires_at=expires_at)
    token.assign(secret)
    token.save()
    return secret


def revoke_token(*, token: ApiToken, now: datetime) -> None:
    """Revoke the token; revoking it again keeps the first instant."""
    if token.revoked_at is None:
        token.revoked_at = now
        token.save(update_fields=["revoked_at"])
