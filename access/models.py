"""API tokens. Only their digests are stored."""

import hashlib
import secrets

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from access.names import check_visible
from rest import timestamps

TOKEN_PREFIX = "prc_"  # noqa: S105  # no secret: lets secret scanners recognise a leaked token
SECRET_BYTES = 32  # 256 random bits cannot be guessed, so they need no slow hash (NIST SP 800-63B §5.1.1)
DIGITS_SHOWN = 8


def digest_of(secret: str) -> str:
    """Return the digest under which a token is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """Return a fresh token secret; anyone who has it acts as the token's user."""
    return TOKEN_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Queries for tokens."""

    def valid(self) -> "ApiTokenQuerySet":
        """Return the tokens that are valid now, by PostgreSQL's clock."""
        return self.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=Now()), revoked_at__isnull=True, user__is_active=True
        )

    def with_secret(self, secret: str) -> "ApiTokenQuerySet":
        """Return the token that `secret` belongs to, as a query of one or none."""
        return self.filter(digest=digest_of(secret))


class ApiToken(models.Model):
    """Lets a program or a device act as a user. The secret itself is shown once and never stored."""

    name = models.CharField(
        max_length=100, validators=[check_visible], help_text="Where the token is used, such as “theatre 4 tablet”."
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_tokens")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    beginning = models.CharField(
        max_length=len(TOKEN_PREFIX) + DIGITS_SHOWN, editable=False, help_text="To recognise the token by."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To within ten minutes.")

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.beginning}… ({self.name})"

    def clean(self) -> None:
        """Refuse a new token that has already expired."""
        if self._state.adding and self.expires_at is not None and self.expires_at <= timestamps.now():
            raise ValidationError({"expires_at": ValidationError("This time is in the past.", code="past")})

    def assign(self, secret: str) -> None:
        """Make `secret` this token's secret, without saving."""
        self.digest = digest_of(secret)
        self.beginning = secret[: len(TOKEN_PREFIX) + DIGITS_SHOWN]
