"""What the operations on procedures promise; /openapi.json is made of it."""

from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from procedures.problems import PROCEDURE_KEY_TAKEN, PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND
from procedures.serializers import ProcedureSerializer, RevisionHeadSerializer, RevisionSerializer
from rest.fields import SLUG, SlugField
from rest.operations import Operation, Parameter, Precondition

SLUG_SCHEMA = {"type": "string", "pattern": SLUG.replace(r"\A", "^").replace(r"\Z", "$"), "maxLength": 63}
KEY = {"key": Parameter("The procedure's key.", SLUG_SCHEMA)}
KEY_AND_NUMBER = {**KEY, "number": Parameter("The revision's number.", {"type": "integer", "minimum": 1})}

ASK_EACH_TIME = {"Cache-Control": Parameter("Keep it, and ask before each use.", {"const": "private, no-cache"})}
LOCATION = {"Location": Parameter("Where to read it.", {"type": "string", "format": "uri-reference"})}

STEPS: list[dict[str, Any]] = [
    {
        "key": "incubate",
        "title": "Incubate at 50 °C",
        "instructions": "Put the tubes into the preheated block and start the clock when the lid is closed.",
        "caution": "Do not exceed one hour.",
        "role": None,
        "skippable": False,
        "expected_duration_s": 3600,
        "slots": [
            {
                "key": "minutes",
                "label": "Actual time",
                "type": "integer",
                "required": True,
                "unit": "min",
                "min": 15,
                "max": 65,
                "out_of_range": "deviation",
            }
        ],
        "checklist": [{"key": "on_ice", "label": "Tubes put on ice afterwards", "required": True}],
    }
]
DEFINITION = {
    "key": "gibson-assembly",
    "title": "Gibson assembly cloning",
    "description": "Joins overlapping DNA fragments in one tube.",
    "ordering": "strict",
    "tags": ["laboratory", "cloning"],
    "steps": STEPS,
}
PROCEDURE = {**DEFINITION, "revision": 3, "status": "active", "updated_at": "2026-11-20T08:00:00.000Z"}
REVISION_HEAD = {
    "revision": 3,
    "title": "Gibson assembly cloning",
    "change_note": "The block may stay hot up to 65 minutes.",
    "content_sha256": "5b1c7d0c9a8f4be1f3c1f2f0e6a0f1c24d8f9f6f7a3e0b9d1c2e3f405162738a",
    "published_at": "2026-11-20T08:00:00.000Z",
}
REVISION = {
    **REVISION_HEAD,
    "key": "gibson-assembly",
    "based_on": 2,
    "description": DEFINITION["description"],
    "ordering": "strict",
    "steps": STEPS,
}


class ReplacementBodySerializer(ProcedureSerializer):
    """A procedure as PUT takes it: the key stands in the path already, and may be repeated."""

    key = SlugField(required=False)


class RevisionPageSerializer(serializers.Serializer[Any]):
    """Some of a procedure's revisions, newest first, and where the next page is."""

    revisions = RevisionHeadSerializer(many=True)
    next = serializers.CharField(allow_null=True)


PROCEDURE_OPERATIONS = {
    "list": Operation(
        id="listProcedures",
        summary="List the active procedures",
        description="The complete list with all steps, ordered by key; or what the filters leave of it.",
        answer=ProcedureSerializer(many=True),
        example=PROCEDURE,
        is_revalidated=True,
    ),
    "retrieve": Operation(
        id="getProcedure",
        summary="Read a procedure",
        description="An item of the list; an archived procedure too.",
        path=KEY,
        answer=ProcedureSerializer,
        example=PROCEDURE,
        is_revalidated=True,
        headers=ASK_EACH_TIME,
        problems=(PROCEDURE_NOT_FOUND,),
    ),
    "create": Operation(
        id="createProcedure",
        summary="Create a procedure",
        description="Publishes revision 1.",
        body=ProcedureSerializer,
        body_example={**DEFINITION, "change_note": "First edition."},
        status=HTTPStatus.CREATED,
        answer=ProcedureSerializer,
        example={**PROCEDURE, "revision": 1},
        answers_etag=True,
        has_idempotency_key=True,
        headers=LOCATION,
        problems=(PROCEDURE_KEY_TAKEN,),
    ),
    "update": Operation(
        id="updateProcedure",
        summary="Publish a new revision",
        description="Replaces the content and the tags, and makes an archived procedure active again. "
        "Content that is equal to the current revision's makes no new one.",
        path=KEY,
        body=ReplacementBodySerializer,
        body_example={**DEFINITION, "change_note": "The block may stay hot up to 65 minutes."},
        answer=ProcedureSerializer,
        example=PROCEDURE,
        answers_etag=True,
        precondition=Precondition.REQUIRED,
        has_idempotency_key=True,
        problems=(PROCEDURE_NOT_FOUND,),
    ),
    "destroy": Operation(
        id="archiveProcedure",
        summary="Archive a procedure",
        description="Takes it from the list and refuses new runs; it stays readable, and its runs go on.",
        path=KEY,
        answer=ProcedureSerializer,
        example={**PROCEDURE, "status": "archived"},
        answers_etag=True,
        precondition=Precondition.REQUIRED,
        problems=(PROCEDURE_NOT_FOUND,),
    ),
}

REVISION_OPERATIONS = {
    "list": Operation(
        id="listRevisions",
        summary="List the revisions of a procedure",
        description="Newest first, without their steps.",
        path=KEY,
        answer=RevisionPageSerializer,
        example={"revisions": [REVISION_HEAD], "next": "/procedures/gibson-assembly/revisions?before=3"},
        problems=(PROCEDURE_NOT_FOUND,),
    ),
    "retrieve": Operation(
        id="getRevision",
        summary="Read a revision",
        description="One revision with its steps; it never changes.",
        path=KEY_AND_NUMBER,
        answer=RevisionSerializer,
        example=REVISION,
        headers={"Cache-Control": Parameter("Keep it for ever.", {"type": "string"})},
        problems=(PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND),
    ),
}
