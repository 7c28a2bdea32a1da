"""Failed logins on people's pages: how they are answered, counted and logged.

django-axes locks out a name at an address. It does not lock out the whole address, because others work behind it, nor
the name everywhere, because then anybody could keep its owner out. It keeps its counts in PostgreSQL, so that they hold
for all workers and do not need Redis; it writes only when a login fails. Its settings are in settings.py.
"""

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import CommandError
from django.db.models import Max
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.cookie import parse_cookie
from django.shortcuts import render
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

from access import history, metrics
from access.addresses import counted_address, counted_as, shown_address
from access.metrics import Failure
from access.passwords import WAIT_SECONDS, PasswordsBusy

logger = structlog.get_logger(__name__)

MAX_COUNTED_NAME_LENGTH = 150  # of Django's users; the column has 255
MAX_NAME_LENGTH = 100  # of a name in the log, because a client may send anything


def address_of(request: HttpRequest) -> str | None:
    """Return the address that a login is counted by (AXES_CLIENT_IP_CALLABLE)."""
    return counted_address(request.META)


def counted_name(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """Return the name that a login is counted by (AXES_USERNAME_CALLABLE), which fits its column: no name is longer."""
    return str((credentials or request.POST).get("username", ""))[:MAX_COUNTED_NAME_LENGTH]


class LoginHandler(AxesDatabaseHandler):  # type: ignore[misc]  # no stubs
    """How failed logins are counted (AXES_HANDLER): as django-axes does."""

    def reset_attempts(
        self, *, ip_address: str | None = None, username: str | None = None, ip_or_username: bool = False
    ) -> int:
        """Unlock an address or a name, for the commands.

        Raises:
            CommandError: the text is no address, or the name is empty: django-axes would unlock everybody.
        """
        counted = None if ip_address is None else counted_as(ip_address)
        if ip_address is not None and counted is None:
            raise CommandError(f"{ip_address!r} is not an IP address.")
        if username == "":
            raise CommandError("The name is empty.")
        return int(super().reset_attempts(ip_address=counted, username=username, ip_or_username=ip_or_username))


def locked_out(request: HttpRequest, _response: HttpResponse, credentials: Mapping[str, Any]) -> HttpResponse:
    """Answer a login that is locked out (AXES_LOCKOUT_CALLABLE), in the same way whether the name exists or not."""
    attempts = AccessAttempt.objects.filter(username=counted_name(request, credentials), ip_address=address_of(request))
    newest = attempts.aggregate(newest=Max("attempt_time"))["newest"] or timezone.now()
    seconds = max(1, math.ceil((newest + settings.AXES_COOLOFF_TIME - timezone.now()).total_seconds()))
    minutes = math.ceil(seconds / 60)
    return _refusal(
        request,
        HTTPStatus.TOO_MANY_REQUESTS,
        seconds,
        reason="Too many logins with this name failed from your network.",
        remedy=f"Try again in {minutes} minute{'s' if minutes > 1 else ''}, or ask an administrator to unlock you.",
    )


def is_logged_in(meta: Mapping[str, Any]) -> bool:
    """Ask PostgreSQL whether a request comes with somebody's session, given its headers as WSGI has them."""
    session_key = parse_cookie(meta.get("HTTP_COOKIE", "")).get(settings.SESSION_COOKIE_NAME)
    return session_key is not None and SESSION_KEY in SessionStore(session_key)


class PasswordsBusyMiddleware(MiddlewareMixin):
    """Answers a request that got no turn to hash a password."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 if too many passwords are being hashed; leave other exceptions to others."""
        if not isinstance(exception, PasswordsBusy):
            return None
        return _refusal(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            math.ceil(WAIT_SECONDS),
            reason="Too many people are logging in right now.",
            remedy="Nothing was done. Go back and try again in a few seconds.",
        )


@receiver(user_login_failed)
def record_failed_login(*, credentials: Mapping[str, Any], request: HttpRequest, **_signal: Any) -> None:
    """Log and count a failed login, after django-axes has counted it."""
    is_locked_out = getattr(request, "axes_locked_out", False)
    # django-axes does not count the failures of a login that is already locked out.
    was_looked_at = getattr(request, "axes_failures_since_start", None) is not None
    reason = Failure.CREDENTIALS if was_looked_at else Failure.LOCKED_OUT
    metrics.LOGINS_FAILED.labels(reason).inc()
    logger.warning(
        "login_failed",
        username=credentials["username"][:MAX_NAME_LENGTH],
        client_address=shown_address(request.META),
        reason=reason,
        is_locked_out=is_locked_out,
    )
    if is_locked_out and was_looked_at:
        _record_lockout(credentials["username"], counted_address(request.META))


def _record_lockout(username: str, address: str | None) -> None:
    """Record that a name is locked out from now on: in the metrics, in the log, and in the history of its user."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    metrics.LOCKOUTS.inc()
    logger.warning("name_locked_out", username=username[:MAX_NAME_LENGTH], client_address=address, minutes=minutes)
    for user in User.objects.filter(username=username):
        why = f"{settings.AXES_FAILURE_LIMIT} logins failed"
        history.record(user, actor=None, what=f"Locked out at {address} for {minutes} minutes: {why}.")


def _refusal(request: HttpRequest, status: HTTPStatus, retry_after: int, *, reason: str, remedy: str) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": "Not now", "reason": reason, "remedy": remedy}
    response = render(request, "access/refused.html", context, status=status)
    response["Retry-After"] = str(retry_after)
    return response
