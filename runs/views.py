"""Runs over HTTP."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar
from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from access.authentication import actor_of
from access.rights import Right
from rest import exact_json, timestamps
from rest.fields import StrictSerializer
from rest.idempotency import identity_of
from rest.parameters import Parameters
from rest.views import ApiViewSet, body_of
from runs import actions, caches
from runs.actions import VerbRequest
from runs.exports import EXPORTS, finished_run
from runs.pages import RunListParameters, page_of_runs
from runs.records import head_with_id
from runs.schema import RUN_OPERATIONS
from runs.serializers import (
    AmendBodySerializer,
    CommitBodySerializer,
    CurrentSerializer,
    PauseBodySerializer,
    ReasonBodySerializer,
    ResumeBodySerializer,
    RunHeadSerializer,
    start_submission_from,
    submission_from,
)
from versioned_cache.http.answers import CachedReadMixin, derived_response
from versioned_cache.http.fingerprints import fingerprint_of
from versioned_cache.http.validators import expected_versions
from versioned_cache.reads import CachedRead
from versioned_cache.versions import one_snapshot

CURRENT_FINGERPRINT = fingerprint_of(CurrentSerializer)


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
        outcome = actions.start_run(
            submission=start_submission_from(body_of(request)),
            actor=actor_of(request),
            now=timestamps.now(),
            identity=identity_of(request),
        )
        return outcome.answer.response(HTTPStatus.CREATED, location=f"/runs/{outcome.event.run_id}")

    def commit(self, request: Request, run_id: UUID, step_key: str) -> HttpResponse:
        """Commit a step."""
        asked = _verb_request(request, run_id, CommitBodySerializer)
        return actions.commit_step(request=asked, step_key=step_key).answer.response(HTTPStatus.CREATED)

    def skip(self, request: Request, run_id: UUID, step_key: str) -> HttpResponse:
        """Skip a step."""
        asked = _verb_request(request, run_id, ReasonBodySerializer)
        return actions.skip_step(request=asked, step_key=step_key).answer.response(HTTPStatus.CREATED)

    def amend(self, request: Request, run_id: UUID, step_key: str) -> HttpResponse:
        """Correct a commit or a skip."""
        asked = _verb_request(request, run_id, AmendBodySerializer)
        return actions.amend_step(request=asked, step_key=step_key).answer.response(HTTPStatus.CREATED)

    def pause(self, request: Request, run_id: UUID) -> HttpResponse:
        """Pause the run."""
        return actions.pause_run(request=_verb_request(request, run_id, PauseBodySerializer)).answer.response()

    def resume(self, request: Request, run_id: UUID) -> HttpResponse:
        """Resume the run."""
        return actions.resume_run(request=_verb_request(request, run_id, ResumeBodySerializer)).answer.response()

    def abort(self, request: Request, run_id: UUID) -> HttpResponse:
        """Abort the run."""
        return actions.abort_run(request=_verb_request(request, run_id, ReasonBodySerializer)).answer.response()


def _verb_request(request: Request, run_id: UUID, serializer_class: type[StrictSerializer]) -> VerbRequest:
    return VerbRequest(
        run_id=run_id,
        actor=actor_of(request),
        now=timestamps.now(),
        submission=submission_from(body_of(request), serializer_class),
        expected=expected_versions(request, caches.FINGERPRINT),
        identity=identity_of(request),
    )


def _next_page(request: Request, cursor: UUID) -> str:
    """Return the URL of this list from the cursor on."""
    query = request.query_params.copy()
    query["cursor"] = str(cursor)
    return f"{request.path}?{query.urlencode()}"
