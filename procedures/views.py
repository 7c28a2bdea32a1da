"""Procedures over HTTP."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.authentication import actor_of
from access.rights import Right
from procedures import actions, caches
from procedures.bodies import bodies_of_procedures
from procedures.models import Procedure, ProcedureStatus
from procedures.schema import PROCEDURE_OPERATIONS, REVISION_OPERATIONS
from procedures.serializers import RevisionHeadSerializer, RevisionSerializer
from procedures.submissions import Submission
from rest import timestamps
from rest.idempotency import identity_of
from rest.parameters import NumberField, Parameters
from rest.views import ApiViewSet, body_of
from versioned_cache.composer import list_of
from versioned_cache.http.answers import CONTENT_TYPE, CachedReadMixin
from versioned_cache.http.validators import expected_versions
from versioned_cache.reads import CachedRead
from versioned_cache.versions import one_snapshot

REVISIONS_PER_PAGE = 50
FOR_EVER = "private, max-age=31536000, immutable"  # RFC 8246; a year stands for "forever"


class ProcedureListParameters(Parameters):
    """The filters of the list."""

    status = serializers.ChoiceField(
        choices=ProcedureStatus.values, required=False, help_text="`archived` for those that take no new runs."
    )

    tag = serializers.CharField(
        required=False, max_length=63, trim_whitespace=False, help_text="Only procedures with this tag."
    )
    q = serializers.CharField(
        required=False,
        max_length=200,
        trim_whitespace=False,
        help_text="Only procedures with this text in their key, title or description.",
    )


class RevisionListParameters(Parameters):
    """The page of a procedure's revisions."""

    before = NumberField(min_value=1, required=False, help_text="Only revisions below this number.")


class ProcedureViewSet(CachedReadMixin, ApiViewSet):
    """Procedures: the cached list, the cached item, and the writes."""

    cached_reads: ClassVar[Mapping[str, CachedRead]] = {
        "list": caches.read_procedure_list,
        "retrieve": caches.read_procedure,
    }
    read_right = Right.READ_PROCEDURES
    operations = PROCEDURE_OPERATIONS
    query_parameters: ClassVar[dict[str, type[Parameters]]] = {"list": ProcedureListParameters}

    def list(self, request: Request, **path: object) -> HttpResponse:
        """Answer the complete list of active procedures with their steps, or the procedures that filters select."""
        if self.parameters:
            return HttpResponse(_body_of_filtered(**self.parameters), content_type=CONTENT_TYPE)
        return self.answer_cached_read(request, **path)

    def create(self, request: Request) -> HttpResponse:
        """Create a procedure and publish its revision 1."""
        outcome = actions.create_procedure(
            submission=Submission(body_of(request)),
            actor=actor_of(request),
            now=timestamps.now(),
            identity=identity_of(request),
        )
        return outcome.answer.response(HTTPStatus.CREATED, location=f"/procedures/{outcome.procedure.key}")

    def update(self, request: Request, key: str) -> HttpResponse:
        """Publish a new revision, unless the content is unchanged."""
        outcome = actions.publish_revision(
            key=key,
            submission=Submission(body_of(request)),
            actor=actor_of(request),
            now=timestamps.now(),
            expected=expected_versions(request, caches.FINGERPRINT),
            has_precondition="If-Match" in request.headers,
            identity=identity_of(request),
        )
        return outcome.answer.response()

    def destroy(self, request: Request, key: str) -> HttpResponse:
        """Archive the procedure; it stays readable."""
        outcome = actions.archive_procedure(
            key=key,
            actor=actor_of(request),
            now=timestamps.now(),
            expected=expected_versions(request, caches.FINGERPRINT),
            has_precondition="If-Match" in request.headers,
        )
        return outcome.answer.response()


class RevisionViewSet(ApiViewSet):
    """The published revisions of a procedure."""

    read_right = Right.READ_PROCEDURES
    operations = REVISION_OPERATIONS
    query_parameters: ClassVar[dict[str, type[Parameters]]] = {"list": RevisionListParameters}

    def list(self, request: Request, key: str) -> Response:
        """Answer the revisions without their steps, newest first, and the path of the next page."""
        revisions = Procedure.objects.get_published(key).revisions.filter(number__isnull=False)
        if "before" in self.parameters:
            revisions = revisions.filter(number__lt=self.parameters["before"])
        page = list(revisions.order_by("-number")[: REVISIONS_PER_PAGE + 1])
        has_more, page = len(page) > REVISIONS_PER_PAGE, page[:REVISIONS_PER_PAGE]
        following = f"{request.path}?before={page[-1].number}" if has_more else None
        return Response({"revisions": RevisionHeadSerializer(page, many=True).data, "next": following})

    def retrieve(self, request: Request, key: str, number: int) -> Response:
        """Answer one revision with its steps; it never changes."""
        revision = Procedure.objects.get_published(key).published_revision(number)
        return Response(RevisionSerializer(revision).data, headers={"Cache-Control": FOR_EVER, "Vary": "Authorization"})


def _body_of_filtered(status: str = ProcedureStatus.ACTIVE, tag: str | None = None, q: str | None = None) -> bytes:
    procedures = Procedure.objects.published().filter(status=status)
    if tag is not None:
        procedures = procedures.filter(tags__contains=[tag])
    if q is not None:
        procedures = procedures.containing(q)
    with one_snapshot():
        return list_of(list(procedures.order_by("key").values_list("key", flat=True)), bodies_of_procedures)
