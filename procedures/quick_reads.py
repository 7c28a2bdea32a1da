"""Cached reads that need no more than this process and one question to Redis, answered ahead of REST framework.

Note [Quick reads]. Most reads are alike: a program that sent the same plain request a second ago. Whether it may be
answered is known (who holds the token, what they may read, that any JSON will do), and so is the answer; what
REST framework does to find that out again takes longer than all the rest. Whatever is unusual in a request, or
not known, is left to the view set, which stays the only place that refuses anything: so every rule is written once,
and the worst that can happen here is to be slow. tests/procedures/test_quick_reads.py holds the two against each other.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.settings import api_settings

from access.authentication import secret_in
from access.bearers import Bearer, bearers
from access.rights import Right
from procedures.representations import coding_for, response_of
from procedures.versioned_cache.reads import CachedRead
from rest.conditional import versions_held

View = Callable[..., HttpResponse]

PLAIN_METHODS = frozenset({"GET", "HEAD"})
PLAIN_ACCEPT = frozenset({None, "*/*", "application/json"})


def quick_read(view: View, read: CachedRead) -> View:
    """Return a view set's view that answers plain reads of what this process holds by itself."""
    if not _has_the_usual_rules(view):
        return view
    right = _attribute(view, "read_right")

    @wraps(view)
    def quick_view(request: HttpRequest, **path: object) -> HttpResponse:
        return _quick_answer(request, right, read, path) or view(request, **path)

    return quick_view


def _has_the_usual_rules(view: View) -> bool:
    """Tell whether the view asks for what is looked at here, and for nothing else."""
    rules = ("authentication_classes", "permission_classes", "renderer_classes")
    return not _attribute(view, "throttle_classes") and all(
        _attribute(view, rule) == getattr(api_settings, f"DEFAULT_{rule.upper()}") for rule in rules
    )


def _attribute(view: Any, name: str) -> Any:
    """Return an attribute of the view set, or what stands for it in `as_view`."""
    return view.initkwargs.get(name, getattr(view.cls, name))


def _quick_answer(request: HttpRequest, right: Right, read: CachedRead, path: dict[str, object]) -> HttpResponse | None:
    coding = coding_for(request)
    if coding is None or not _is_plain(request):
        return None
    bearer = _known_bearer(request)
    if bearer is None or not bearer.may(right):
        return None
    representation = read.held(versions_held(request, read.fingerprint), **path)
    if representation is None:
        return None
    request.user = bearer.user
    return response_of(representation, request, coding)


def _is_plain(request: HttpRequest) -> bool:
    meta = request.META
    return (
        request.method in PLAIN_METHODS
        and not meta.get("QUERY_STRING")
        and meta.get("HTTP_ACCEPT") in PLAIN_ACCEPT
        and meta.get("CONTENT_LENGTH", "") in ("", "0")
    )


def _known_bearer(request: HttpRequest) -> Bearer | None:
    secret = secret_in(request.META.get("HTTP_AUTHORIZATION", ""))
    return None if secret is None else bearers.remembered(secret, timezone.now())
