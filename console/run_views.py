"""The page of a run: what is to be done, what was done, and the forms that record it.

Two parts of the page are live: `current`, the form of the step to do, and `record`, everything that was recorded. The
page asks for both each second, by a conditional request of the cached read, and is answered 304 as long as nobody has
done anything. A form is sent under an Idempotency-Key that came with it, so that a double click, a second try after a
lost answer, and the Back button record nothing twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPMethod, HTTPStatus
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from access.rights import Right
from console.pages import actor_of, page, problem_page
from console.run_pages import RunPage, page_of_run
from console.step_forms import NOTHING_RECORDED, blank_form, body_of, form_of_event, refused_form, text_of
from rest import timestamps
from rest.fields import StrictSerializer
from rest.idempotency import UNKEYED, RequestIdentity, fingerprint_of
from rest.parameters import number_in
from rest.problems import NOT_FOUND, VALIDATION_FAILED, Problem
from runs import caches
from runs.actions import (
    VerbRequest,
    abort_run,
    amend_step,
    commit_step,
    pause_run,
    resume_run,
    skip_step,
)
from runs.ledger import faults_in
from runs.models import Run
from runs.serializers import (
    AmendBodySerializer,
    CommitBodySerializer,
    PauseBodySerializer,
    ReasonBodySerializer,
    ResumeBodySerializer,
    submission_from,
)
from versioned_cache.http.validators import known_versions
from versioned_cache.versions import one_snapshot

STEP_VERBS: Mapping[str, tuple[Callable[..., Any], type[StrictSerializer]]] = {
    "commit": (commit_step, CommitBodySerializer),
    "skip": (skip_step, ReasonBodySerializer),
    "amend": (amend_step, AmendBodySerializer),
}
RUN_VERBS: Mapping[str, tuple[Callable[..., Any], type[StrictSerializer]]] = {
    "pause": (pause_run, PauseBodySerializer),
    "resume": (resume_run, ResumeBodySerializer),
    "abort": (abort_run, ReasonBodySerializer),
}


@require_safe
@page(Right.READ_RUNS)
def run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show a run; `?step=` chooses a step to do or to amend."""
    return _shown(request, page_of_run(run_id, actor_of(request), request.GET.get("step", "")), "console/run.html")


@require_safe
@page(Right.READ_RUNS)
def live(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Answer the live parts of a run's page; 304 where the page has the run's version."""
    known = known_versions(request.META, caches.FINGERPRINT)
    if known and caches.read_run(known, run_id=str(run_id)).body is None:
        return HttpResponse(status=HTTPStatus.NOT_MODIFIED)
    return _shown(request, page_of_run(run_id, actor_of(request), request.GET.get("step", "")), "console/live.html")


@require_safe
@page(Right.READ_RUNS)
def record(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show everything that was recorded, to be printed, with the verdict on its chain of hashes."""
    with one_snapshot():
        faults = faults_in(Run.objects.with_head().get_existing(run_id))
    newest = Run.objects.get_existing(run_id).events.order_by("-seq")[0]
    shown = {
        "page": page_of_run(run_id, actor_of(request)),
        "faults": faults,
        "newest": newest,
        "now": timestamps.now(),
    }
    return render(request, "console/record.html", shown)


@require_POST
@page(Right.READ_RUNS)
def record_step(request: HttpRequest, run_id: UUID, step_key: str, verb: str) -> HttpResponse:
    """Commit, skip or amend a step."""
    if verb not in STEP_VERBS:
        raise NOT_FOUND
    action, serializer_class = STEP_VERBS[verb]
    shown = page_of_run(run_id, actor_of(request), step_key)
    step = shown.step_with_key(step_key)
    body = _body_of_step(request, verb, step)
    try:
        action(request=_verb_request(request, run_id, body, serializer_class), step_key=step_key)
    except Problem as problem:
        form = refused_form(step["definition"], request.POST, body, _findings_of(problem), str(uuid4()))
        if not isinstance(problem, VALIDATION_FAILED):
            # Somebody else was faster, for instance: what was typed stays, together with why it was not recorded.
            form = replace(form, errors=[problem.title, *([str(problem.detail)] if problem.detail else [])])
        shown = page_of_run(run_id, actor_of(request), step_key)
        template = "console/live.html" if _is_by_script(request) else "console/run.html"
        return problem_page(request, problem, template, page=shown, step=step, verb=verb, form=form)
    return _done(request, run_id)


@require_POST
@page(Right.READ_RUNS)
def change_run(request: HttpRequest, run_id: UUID, verb: str) -> HttpResponse:
    """Pause, resume or abort the run."""
    if verb not in RUN_VERBS:
        raise NOT_FOUND
    action, serializer_class = RUN_VERBS[verb]
    reason = text_of(request.POST, "reason")
    body = {} if verb == "resume" else {"reason": reason} if reason or verb == "abort" else {}
    action(request=_verb_request(request, run_id, body, serializer_class))
    return _done(request, run_id)


def _body_of_step(request: HttpRequest, verb: str, step: Mapping[str, Any]) -> dict[str, Any]:
    if verb == "skip":
        return {"reason": text_of(request.POST, "reason")}
    if verb == "commit":
        return body_of(request.POST, step["definition"])
    recorded, amends = step["effective"] or NOTHING_RECORDED, number_in(request.POST.get("amends", ""))
    return body_of(request.POST, step["definition"], amends=amends, recorded=recorded)


def _verb_request(
    request: HttpRequest, run_id: UUID, body: dict[str, Any], serializer_class: type[StrictSerializer]
) -> VerbRequest:
    return VerbRequest(
        run_id=run_id,
        actor=actor_of(request),
        now=timestamps.now(),
        submission=submission_from(body, serializer_class),
        identity=identity_of_form(request, body),
    )


def identity_of_form(request: HttpRequest, body: Mapping[str, Any]) -> RequestIdentity:
    """Return the identity of a form, whose key came with its page."""
    key = request.POST.get("key", "")
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= 255):
        return UNKEYED
    return RequestIdentity(key, fingerprint_of(HTTPMethod.POST, request.path, body))


def _findings_of(problem: Problem) -> list[Mapping[str, str]]:
    return list(problem.extensions["errors"]) if isinstance(problem, VALIDATION_FAILED) else []


def _done(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show the run as it is after a write: to the page's script by its live parts, to a browser by a redirect."""
    if _is_by_script(request):
        return _shown(request, page_of_run(run_id, actor_of(request)), "console/live.html")
    return HttpResponseRedirect(reverse("console:run", args=[run_id]))


def _shown(request: HttpRequest, shown: RunPage, template: str) -> HttpResponse:
    """Show a run, with a blank form of the step to do, or with the form of the step that is amended."""
    key = str(uuid4())
    context: dict[str, Any] = {"page": shown, "reason_key": str(uuid4())}
    if shown.amended:
        step = shown.amended
        context |= {"step": step, "verb": "amend", "form": form_of_event(step["definition"], step["effective"], key)}
    elif shown.current:
        context |= {"step": shown.current, "verb": "commit", "form": blank_form(shown.current["definition"], key)}
    return render(request, template, context)


def _is_by_script(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"
