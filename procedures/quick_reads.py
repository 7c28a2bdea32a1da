"""Cached reads that need no more than this process and one question to Redis, answered ahead of the framework.

Note [Quick reads]. Most reads are alike: a program that sent the same plain request a second ago. Whether it may be
answered is known (who holds the token, what they may read, that any JSON will do), and so is the answer; what Django
and REST framework do to find that out again takes longer than all the rest. Whatever is unusual in a request, or
not known, is left to the view set, which stays the only place that refuses anything: so every rule is written once,
and the worst that can happen here is to be slow. `procedures_project.short_cut` serves them;
tests/procedures_project/test_short_cut.py holds the two ways against each other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from rest_framework.settings import api_settings

from access.authentication import secret_in
from access.bearers import Bearer, bearers
from access.rights import Right
from procedures.representations import Answer, answer_of, coding_for
from rest.conditional import versions_held
from versioned_cache.reads import CachedRead

View = Callable[..., HttpResponse]

PLAIN_METHODS = frozenset({"GET", "HEAD"})
PLAIN_ACCEPT = frozenset({None, "*/*", "application/json"})


@dataclass(frozen=True, slots=True)
class QuickRead:
    """A cached read that may be answered ahead of its view set, and the right that it takes.

    `meta` is a request's headers as WSGI has them (PEP 3333).
    """

    cached_read: CachedRead
    right: Right

    def answer(self, meta: Mapping[str, Any], bearer: Bearer, path: Mapping[str, object]) -> Answer | None:
        """Answer a plain request of a known bearer; None where the view set has to."""
        coding = coding_for(meta)
        if coding is None or not bearer.may(self.right):
            return None
        representation = self.cached_read.held(versions_held(meta, self.cached_read.fingerprint), **path)
        return None if representation is None else answer_of(representation, meta, coding)


def quick_read(view: View, read: CachedRead) -> View:
    """Return a view set's view that says of itself that plain reads may be answered ahead of it."""
    if _has_the_usual_rules(view):
        view.quick_read = QuickRead(read, _attribute(view, "read_right"))  # type: ignore[attr-defined]
    return view


def quick_read_of(view: View) -> QuickRead | None:
    """Return what `quick_read` said of a view."""
    return getattr(view, "quick_read", None)


def is_plain(meta: Mapping[str, Any]) -> bool:
    """Tell whether a request asks for nothing but the body."""
    return (
        meta["REQUEST_METHOD"] in PLAIN_METHODS
        and not meta.get("QUERY_STRING")
        and meta.get("HTTP_ACCEPT") in PLAIN_ACCEPT
        and meta.get("CONTENT_LENGTH", "") in ("", "0")
    )


def known_bearer(meta: Mapping[str, Any]) -> Bearer | None:
    """Return who sent a request, if this process was told a moment ago."""
    secret = secret_in(meta.get("HTTP_AUTHORIZATION", ""))
    return None if secret is None else bearers.remembered(secret, timezone.now())


def _has_the_usual_rules(view: View) -> bool:
    """Tell whether the view asks for what is looked at here, and for nothing else."""
    rules = ("authentication_classes", "permission_classes", "renderer_classes")
    return not _attribute(view, "throttle_classes") and all(
        _attribute(view, rule) == getattr(api_settings, f"DEFAULT_{rule.upper()}") for rule in rules
    )


def _attribute(view: Any, name: str) -> Any:
    """Return an attribute of the view set, or what stands for it in `as_view`."""
    return view.initkwargs.get(name, getattr(view.cls, name))
