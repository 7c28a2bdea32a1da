"""Runs over HTTP."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from access.authentication import actor_of
from access.rights import Right
from rest import exact_json, timestamps
from rest.fields import StrictSerializer
from rest.idempotency import REPLAYED, identity_of
from rest.parameters import Parameters
from rest.views import ApiViewSet, body_of
from runs import actions, caches
from runs.actions import Outcome, VerbRequest
from runs.exports import EXPORTS, finished_run
from runs.pages import RunListParameters, page_of_runs
from runs.records import RunRecord, head_with_id
from runs.schema import RUN_OPERATIONS
from runs.serializers import (
    AmendBodySerializer,
    CommitBodySerializer,
    CommitSerializer,
    CurrentSerializer,
    PauseBodySerializer,
    ReasonBodySerializer,
    ResumeBodySerializer,
    RunAfterEventSerializer,
    RunHeadSerializer,
    RunSerializer,
    start_submission_from,
    submission_from,
)
from versioned_cache.http.answers import CachedReadMixin, derived_response, written_response
from versioned_cache.http.fingerprints import fingerprint_of
from versioned_cache.http.validators import etag, expected_versions
from versioned_cache.reads import CachedRead
from versioned_cache.versions import one_snapshot

CURRENT_FINGERPRINT = fingerprint_of(CurrentSerializer)

Answer = TypeVar("Answer", bound=HttpResponse)


class RunViewSet(CachedReadMixin, ApiViewSet):
    """Runs: the list, the cached item, and the verbs."""

    cached_reads: ClassVar[Mapping[str, CachedRead]] = {"retrieve": caches.read_run}
    read_right = Right.READ_RUNS
    operations = RUN_OPERATIONS
    query_parameters: ClassVar[dict[str, type[Parameters]]] = {"list": RunListParameters}

    def list(self, request: Request, **path: object) -> Response:
        """Answer a page of runs, newest first."""
        with one_snapshot():
            page = page_of_runs(self.parameters)
        return Response(
            {
                "runs": RunHeadSerializer(page.heads, many=True).data,
                "next": _next_page(request, page.next_cursor) if page.next_cursor else None,
                "next_cursor": page.next_cursor,
            }
        )

    def current(self, request: Request, run_id: UUID) -> HttpResponse:
        """Answer the steps to do now, under the version of the run."""
        return derived_response(
            request,
            caches.run_resource(run_id),
            CURRENT_FINGERPRINT,
            lambda: exact_json.dumps(CurrentSerializer(head_with_id(run_id)).data),
        )

    def export_json(self, request: Request, run_id: UUID) -> HttpResponse:
        """Answer a finished run with everything needed to understand it."""
        with one_snapshot():
            return EXPORTS["json"].answer(finished_run(run_id))

    def export_csv(self, request: Request, run_id: UUID) -> HttpResponse:
        """Answer the ledger of a finished run as a table."""
        with one_snapshot():
            return EXPORTS["csv"].answer(finished_run(run_id))

    def create(self, request: Request) -> HttpResponse:
        """Start a run."""
        return _answer_started(
            actions.start_run(
                submission=start_submission_from(body_of(request)),
                actor=actor_of(request),
                now=timestamps.now(),
                identity=identity_of(request),
            )
        )

    def commit(self, request: Request, run_id: UUID, step_key: str) -> Response:
        """Commit a step."""
        return _answer_commit(
            actions.commit_step(request=_verb_request(request, run_id, CommitBodySerializer), step_key=step_key)
        )

    def skip(self, request: Request, run_id: UUID, step_key: str) -> Response:
        """Skip a step."""
        return _answer_commit(
            actions.skip_step(request=_verb_request(request, run_id, ReasonBodySerializer), step_key=step_key)
        )

    def amend(self, request: Request, run_id: UUID, step_key: str) -> Response:
        """Correct a commit or a skip."""
        return _answer_commit(
            actions.amend_step(request=_verb_request(request, run_id, AmendBodySerializer), step_key=step_key)
        )

    def pause(self, request: Request, run_id: UUID) -> Response:
        """Pause the run."""
        return _answer_head(actions.pause_run(request=_verb_request(request, run_id, PauseBodySerializer)))

    def resume(self, request: Request, run_id: UUID) -> Response:
        """Resume the run."""
        return _answer_head(actions.resume_run(request=_verb_request(request, run_id, ResumeBodySerializer)))

    def abort(self, request: Request, run_id: UUID) -> Response:
        """Abort the run."""
        return _answer_head(actions.abort_run(request=_verb_request(request, run_id, ReasonBodySerializer)))


def _verb_request(request: Request, run_id: UUID, serializer_class: type[StrictSerializer]) -> VerbRequest:
    return VerbRequest(
        run_id=run_id,
        actor=actor_of(request),
        now=timestamps.now(),
        submission=submission_from(body_of(request), serializer_class),
        expected=expected_versions(request, caches.FINGERPRINT),
        identity=identity_of(request),
    )


def _answer_started(outcome: Outcome[RunRecord]) -> HttpResponse:
    response = written_response(
        exact_json.dumps(RunSerializer(outcome.head).data),
        caches.FINGERPRINT,
        outcome.version,
        HTTPStatus.CREATED,
        location=f"/runs/{outcome.head.run.pk}",
    )
    return _marked(response, outcome)


def _answer_commit(outcome: Outcome[Any]) -> Response:
    content = {
        "commit": CommitSerializer(outcome.event).data,
        "run": RunAfterEventSerializer(outcome.head).data,
    }
    return _marked(Response(content, HTTPStatus.CREATED), outcome)


def _answer_head(outcome: Outcome[Any]) -> Response:
    return _marked(Response(RunHeadSerializer(outcome.head).data), outcome)


def _marked(response: Answer, outcome: Outcome[Any]) -> Answer:
    """Add the headers that name the run's version, or say that the answer is repeated."""
    if outcome.version is not None:
        response["ETag"] = etag(outcome.version, caches.FINGERPRINT)
    if outcome.is_replayed:
        response[REPLAYED] = "true"
    return response


def _next_page(request: Request, cursor: UUID) -> str:
    """Return the URL of this list from the cursor on."""
    query = request.query_params.copy()
    query["cursor"] = str(cursor)
    return f"{request.path}?{query.urlencode()}"
