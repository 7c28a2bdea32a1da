"""Issuing and revoking API tokens. The history of the token and of its user tells who did it."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from access import history
from access.models import ApiToken, new_secret


def issue_token(*, user: User, name: str, expires_at: datetime | None = None) -> str:
    """Create a token for `user` and return its secret, which cannot be read again later; for the command line.

    Raises:
        ValidationError: the name is too long, or has no visible character.
    """
    token = ApiToken(user=user, name=name, expires_at=expires_at)
    token.clean_fields(exclude=["digest", "beginning"])  # which come with the secret
    return assign_secret(token=token, actor=None)


@transaction.atomic
def assign_secret(*, token: ApiToken, actor: User | None) -> str:
    """Save a new token with a fresh secret and return it; it cannot be read again later."""
    secret = new_secret()
    token.assign(secret)
    token.save(force_insert=True)
    history.record(token, token.user, actor=actor, what=f"Issued the token {token}.")
    return secret


@transaction.atomic
def revoke_token(*, token: ApiToken, now: datetime, actor: User | None = None) -> None:
    """Revoke the token; revoking it again keeps the first instant."""
    if token.revoked_at is None:
        token.revoked_at = now
        token.save(update_fields=["revoked_at"])
        history.record(token, token.user, actor=actor, what=f"Revoked the token {token}.")


@transaction.atomic
def revoke_tokens_of(user: User, *, now: datetime, actor: User | None = None) -> int:
    """Revoke every token of `user` that has not been revoked, and return how many there were."""
    tokens = ApiToken.objects.filter(user=user, revoked_at__isnull=True)
    for token in tokens:
        revoke_token(token=token, now=now, actor=actor)
    return len(tokens)
