"""What the operations on procedures promise; /openapi.json is made from it."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer
from rest_framework import serializers

from procedures import examples
from procedures.problems import PROCEDURE_KEY_TAKEN, PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND
from procedures.serializers import ProcedureSerializer, RevisionHeadSerializer, RevisionSerializer
from rest.fields import SLUG_SCHEMA, SlugField
from rest.headers import (
    ETAG,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    LOCATION,
    NO_CACHE,
    REPLAYED,
    REQUIRED_IF_MATCH,
    answer_header,
)
from rest.operations import Operation

KEY = OpenApiParameter("key", SLUG_SCHEMA, OpenApiParameter.PATH, description="The procedure's key.")
NUMBER = OpenApiParameter(
    "number", {"type": "integer", "minimum": 1}, OpenApiParameter.PATH, description="The revision's number."
)
FOR_EVER = answer_header("Cache-Control", {"type": "string"}, "You may keep the answer forever.", HTTPStatus.OK)


class ReplacementBodySerializer(ProcedureSerializer):
    """A procedure as PUT takes it. The key is in the path; the body may repeat it."""

    key = SlugField(required=False)


@extend_schema_serializer(many=False)  # an object, though the action is `list`
class RevisionPageSerializer(serializers.Serializer[Any]):
    """Some revisions of a procedure, newest first, and the path of the next page."""

    revisions = RevisionHeadSerializer(many=True)
    next = serializers.CharField(allow_null=True)


PROCEDURE_OPERATIONS = {
    "list": Operation(
        id="listProcedures",
        summary="List the active procedures",
        description="All active procedures with all their steps, ordered by key, or those that the filters select.",
        parameters=(IF_NONE_MATCH, ETAG),
        answer=ProcedureSerializer(many=True),
        example=examples.PROCEDURE,
    ),
    "retrieve": Operation(
        id="getProcedure",
        summary="Read a procedure",
        description="One procedure as the list shows it. Archived procedures can be read too.",
        parameters=(KEY, IF_NONE_MATCH, ETAG, NO_CACHE),
        answer=ProcedureSerializer,
        example=examples.PROCEDURE,
        problems=(PROCEDURE_NOT_FOUND,),
    ),
    "create": Operation(
        id="createProcedure",
        summary="Create a procedure",
        description="Creates a procedure and publishes its revision 1.",
        parameters=(IDEMPOTENCY_KEY, ETAG, LOCATION, REPLAYED),
        body=ProcedureSerializer,
        body_example={**examples.DEFINITION, "change_note": "First edition."},
        status=HTTPStatus.CREATED,
        answer=ProcedureSerializer,
        example={**examples.PROCEDURE, "revision": 1},
        problems=(PROCEDURE_KEY_TAKEN,),
    ),
    "update": Operation(
        id="updateProcedure",
        summary="Publish a new revision",
        description="Replaces the content and the tags, and reactivates an archived procedure. "
        "Unchanged content makes no new revision.",
        parameters=(KEY, REQUIRED_IF_MATCH, IDEMPOTENCY_KEY, ETAG, REPLAYED),
        body=ReplacementBodySerializer,
        body_example={**examples.DEFINITION, "change_note": examples.REVISION["change_note"]},
        answer=ProcedureSerializer,
        example=examples.PROCEDURE,
        problems=(PROCEDURE_NOT_FOUND,),
    ),
    "destroy": Operation(
        id="archiveProcedure",
        summary="Archive a procedure",
        description="Removes the procedure from the list and refuses new runs. It stays readable, and its runs go on.",
        parameters=(KEY, REQUIRED_IF_MATCH, ETAG),
        answer=ProcedureSerializer,
        example={**examples.PROCEDURE, "status": "archived"},
        problems=(PROCEDURE_NOT_FOUND,),
    ),
}

REVISION_OPERATIONS = {
    "list": Operation(
        id="listRevisions",
        summary="List the revisions of a procedure",
        description="A page of revisions without their steps, newest first. "
        "`next` is the path of the next page, null on the last one.",
        parameters=(KEY,),
        answer=RevisionPageSerializer,
        example={"revisions": [examples.REVISION_HEAD], "next": "/procedures/gibson-assembly/revisions?before=3"},
        problems=(PROCEDURE_NOT_FOUND,),
    ),
    "retrieve": Operation(
        id="getRevision",
        summary="Read a revision",
        description="One revision with its steps. It never changes.",
        parameters=(KEY, NUMBER, FOR_EVER),
        answer=RevisionSerializer,
        example=examples.REVISION,
        problems=(PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND),
    ),
}
