"""What every page of the console has in common: who may see it, and how a refusal is shown.

A page refuses what the API refuses, in the same words: both raise the same problems.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from rest_framework.permissions import SAFE_METHODS

from access.rights import Right, require
from rest.problems import Problem

View = Callable[..., HttpResponse]


def page(*rights: Right) -> Callable[[View], View]:
    """Make a view a page: for people who are signed in and have these rights; its problems are shown as a page."""

    def decorate(view: View) -> View:
        @never_cache  # the Back button asks again, so that no old form is sent twice
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(_page_to_come_back_to(request))
            try:
                for right in rights:
                    require(actor_of(request), right)
                return view(request, *args, **kwargs)
            except Problem as problem:
                return problem_page(request, problem)

        return answer

    return decorate


def _page_to_come_back_to(request: HttpRequest) -> str:
    """Return where to go after signing in: what was asked for or, after a form, the page that it was on."""
    if request.method in SAFE_METHODS:
        return request.get_full_path()
    sender = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(sender, allowed_hosts={request.get_host()}):
        return reverse("console:home")
    return urlsplit(sender)._replace(scheme="", netloc="").geturl()


def actor_of(request: HttpRequest) -> User:
    """Return who is signed in."""
    return cast(User, request.user)


def problem_page(
    request: HttpRequest, problem: Problem, template: str = "console/problem.html", **context: Any
) -> HttpResponse:
    """Show a refusal, by default on a page of its own."""
    response = render(request, template, {"problem": problem, **context}, status=problem.status)
    for name, value in problem.headers.items():
        response[name] = value
    return response
