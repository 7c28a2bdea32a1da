"""Home, a procedure and the start of a run, and signing in."""

from typing import Any
from uuid import uuid4

from django.contrib.auth.views import LoginView
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from access.rights import Right
from console.pages import actor_of, page, problem_page
from console.run_views import identity_of_form
from procedures import caches
from procedures.models import Procedure, ProcedureStatus
from rest import exact_json, timestamps
from rest.problems import Problem
from runs.actions import start_run
from runs.models import Run
from runs.pages import newest_runs
from runs.records import heads_of
from runs.serializers import start_submission_from
from runs.states import NOT_ENDED

MOST_RUNS = 50  # of each list
MOST_PROCEDURES = 200


@method_decorator(never_cache, name="dispatch")
class SignIn(LoginView):
    """Signing in, for everybody who has a password."""

    template_name = "console/sign_in.html"
    redirect_authenticated_user = True


@require_safe
@page(Right.READ_PROCEDURES)
def home(request: HttpRequest) -> HttpResponse:
    """Show what is running, and the procedures that can be started."""
    actor = actor_of(request)
    visible = Run.objects.all() if actor.has_perm(Right.READ_RUNS) else Run.objects.none()
    found, has_more = _procedures_found(request)
    context: dict[str, Any] = {
        "mine": heads_of(newest_runs({"status": NOT_ENDED, "started_by": actor.pk}, MOST_RUNS, visible)),
        "others": heads_of(newest_runs({"status": NOT_ENDED}, MOST_RUNS, visible.exclude(started_by=actor))),
        "procedures": found,
        "has_more": has_more,
        "query": request.GET.get("q", ""),
        "tag": request.GET.get("tag", ""),
    }
    return render(request, "console/home.html", context)


def _procedures_found(request: HttpRequest) -> tuple[list[Procedure], bool]:
    """Return the active procedures that the search asks for, and whether there are more than are shown."""
    procedures = Procedure.objects.published().filter(status=ProcedureStatus.ACTIVE)
    if query := request.GET.get("q", "").replace("\x00", ""):
        named = Q(key__icontains=query) | Q(current__title__icontains=query)
        procedures = procedures.candidates_for([query]).filter(named)
    if tag := request.GET.get("tag", "").replace("\x00", ""):
        procedures = procedures.filter(tags__contains=[tag])
    # The keys are in an index, the titles are not: where not all are shown, they are the first ones by their keys.
    found = list(procedures.select_related("current").order_by("key")[: MOST_PROCEDURES + 1])
    shown = sorted(found[:MOST_PROCEDURES], key=lambda one: one.current_revision.title.casefold())
    return shown, len(found) > MOST_PROCEDURES


@require_safe
@page(Right.READ_PROCEDURES)
def procedure(request: HttpRequest, key: str) -> HttpResponse:
    """Show a procedure with its steps, and the form that starts a run of it."""
    return _procedure_page(request, key)


@require_POST
@page(Right.READ_RUNS, Right.EXECUTE_RUNS)
def start(request: HttpRequest, key: str) -> HttpResponse:
    """Start a run."""
    body = {"procedure": key, "title": request.POST.get("title") or None}
    body["external_ref"] = request.POST.get("external_ref") or None
    try:
        outcome = start_run(
            submission=start_submission_from(body),
            actor=actor_of(request),
            now=timestamps.now(),
            identity=identity_of_form(request, body),
        )
    except Problem as problem:
        return _procedure_page(request, key, problem)
    return HttpResponseRedirect(reverse("console:run", args=[outcome.event.run_id]))


def _procedure_page(request: HttpRequest, key: str, refusal: Problem | None = None) -> HttpResponse:
    representation = caches.read_procedure(key=key)
    shown = exact_json.loads_stored((representation.body or b"").decode())
    template = "console/procedure.html"
    context = {
        "procedure": shown,
        "key": str(uuid4()),
        "refusal": refusal,
        "typed": request.POST,
        "may_start": shown["status"] == ProcedureStatus.ACTIVE and actor_of(request).has_perm(Right.EXECUTE_RUNS),
    }
    return problem_page(request, refusal, template, **context) if refusal else render(request, template, context)
