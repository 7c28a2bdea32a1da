"""Logins on people's pages: what is told, counted and logged of those that fail; django-axes does the counting.

It locks out a name at an address: not the whole address, behind which others work, and not the name everywhere, or
anybody could keep its owner out. Everything about it is in PostgreSQL, so that it holds for all workers, without Redis,
and is written only when a login fails; the settings are in settings.py.
"""

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_login_failed
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Max
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.cookie import parse_cookie
from django.shortcuts import render
from django.utils import timezone

from access import metrics
from access.addresses import client_address, counted_address
from access.metrics import Failure
from access.passwords import WAIT_SECONDS, PasswordsBusy

logger = structlog.get_logger(__name__)

MAX_NAME_LENGTH = 100  # of a name in the log: it is whatever a client sent


def address_of(request: HttpRequest) -> str | None:
    """Return the address that a login is counted by (AXES_CLIENT_IP_CALLABLE)."""
    return counted_address(request.META)


def locked_out(request: HttpRequest, _response: HttpResponse, credentials: Mapping[str, Any]) -> HttpResponse:
    """Answer who is locked out (AXES_LOCKOUT_CALLABLE); the same whether there is somebody of this name or not."""
    attempts = AccessAttempt.objects.filter(username=credentials["username"], ip_address=address_of(request))
    newest = attempts.aggregate(newest=Max("attempt_time"))["newest"] or timezone.now()
    seconds = max(1, math.ceil((newest + settings.AXES_COOLOFF_TIME - timezone.now()).total_seconds()))
    minutes = math.ceil(seconds / 60)
    return _refusal(
        request,
        HTTPStatus.TOO_MANY_REQUESTS,
        seconds,
        reason="Too many logins with this name failed from where you are.",
        remedy=f"Try again in {minutes} minute{'s' if minutes > 1 else ''}, or ask an administrator to unlock you.",
    )


def is_logged_in(meta: Mapping[str, Any]) -> bool:
    """Ask PostgreSQL whether a request comes with a session of somebody, given its headers as WSGI has them."""
    session_key = parse_cookie(meta.get("HTTP_COOKIE", "")).get(settings.SESSION_COOKIE_NAME)
    return session_key is not None and SESSION_KEY in SessionStore(session_key)


class PasswordsBusyMiddleware:
    """Answers a page that had no turn to hash a password."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 where too many passwords are being hashed; whatever else went wrong is not for here."""
        if not isinstance(exception, PasswordsBusy):
            return None
        return _refusal(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            math.ceil(WAIT_SECONDS),
            reason="Too many people are logging in at the moment.",
            remedy="Nothing was done. Go back, and try again in a few seconds.",
        )


@receiver(user_login_failed)
def record_failed_login(*, credentials: Mapping[str, Any], request: HttpRequest, **_signal: Any) -> None:
    """Log and count a login that failed, after django-axes has counted it."""
    is_locked_out = getattr(request, "axes_locked_out", False)
    # Of who was locked out already django-axes counts no more failures.
    was_looked_at = getattr(request, "axes_failures_since_start", None) is not None
    reason = Failure.CREDENTIALS if was_looked_at else Failure.LOCKED_OUT
    metrics.LOGINS_FAILED.labels(reason).inc()
    if is_locked_out and was_looked_at:
        metrics.LOCKOUTS.inc()
    address = client_address(request.META)
    logger.warning(
        "login_failed",
        username=credentials["username"][:MAX_NAME_LENGTH],
        client_address=str(address) if address else None,
        reason=reason,
        is_locked_out=is_locked_out,
    )


def _refusal(request: HttpRequest, status: HTTPStatus, retry_after: int, *, reason: str, remedy: str) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": "Not now", "reason": reason, "remedy": remedy}
    response = render(request, "access/refused.html", context, status=status)
    response["Retry-After"] = str(retry_after)
    return response
