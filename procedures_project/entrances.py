"""Where people and programs come in: `/`, the admin's login, the pages that problem types' URIs lead to."""

from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import Resolver404, resolve, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.vary import vary_on_headers

from console.views import SignIn, home
from procedures_project.operations import safe_only
from procedures_project.refusals import wants_page
from rest.problems import Problem, problem_types


@safe_only
@vary_on_headers("Accept")
def start(request: HttpRequest) -> HttpResponse:
    """Show people what is running, and tell programs where things are."""
    if wants_page(request.META):
        return home(request)
    paths = {name: reverse(name) for name in ("openapi", "docs", "healthz", "readyz")}
    return JsonResponse(paths | {"admin": reverse("admin:index")})


@safe_only
def admin_without_slash(request: HttpRequest) -> HttpResponse:
    """Lead to the admin."""
    return redirect("admin:index")


@safe_only
def favicon(request: HttpRequest) -> HttpResponse:
    """Lead browsers that ask for an icon of their own accord to ours."""
    return redirect(static("pages/icon.svg"))


@safe_only
@vary_on_headers("Accept")
def problem_type(request: HttpRequest, slug: str) -> HttpResponse:
    """Explain a problem type, where its URI leads (RFC 9457 §4)."""
    kind = problem_types().get(slug)
    if kind is None:
        raise Http404
    if wants_page(request.META):
        return render(request, "problem_type.html", {**_description(kind), "slug": slug})
    return JsonResponse(_description(kind))


@never_cache
def login(request: HttpRequest) -> HttpResponse:
    """Log in to the admin; afterwards, go on only to a page that exists here."""
    _take_known_next(request, otherwise="admin:index")
    return admin.site.login(request)


@never_cache
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """Sign in to the console; afterwards, go on only to a page that exists here."""
    _take_known_next(request, otherwise="start")
    return SignIn.as_view()(request)


def _description(kind: type[Problem]) -> dict[str, object]:
    return {
        "type": f"/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status.value,
        "when": kind.when,
        "members": {name: member.shape for name, member in kind.members.items()},
    }


def _take_known_next(request: HttpRequest, *, otherwise: str) -> None:
    """Let a login lead to the page that it names if that is one of ours, or else to the page `otherwise`."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    known = wanted if _is_page_of_ours(wanted) else reverse(otherwise)
    request.GET, request.POST = _leading_to(known, request.GET), _leading_to(known, request.POST)  # type: ignore[assignment]


def _leading_to(page: str, parameters: QueryDict) -> QueryDict:
    changed = parameters.copy()
    changed[REDIRECT_FIELD_NAME] = page
    return changed


def _is_page_of_ours(url: str) -> bool:
    """Tell whether a URL is a path to a page of the admin or of the console."""
    path = url.partition("?")[0].partition("#")[0]
    if not url.startswith("/") or not url_has_allowed_host_and_scheme(url, allowed_hosts=None):
        return False
    try:
        match = resolve(path)
    except Resolver404:
        return False
    # The admin has a route without a name for whatever does not exist.
    return match.view_name == "start" or (match.namespace in {"admin", "console"} and match.url_name is not None)
