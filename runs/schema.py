"""What the operations on runs promise; /openapi.json is made from it."""

from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema_serializer
from rest_framework import serializers

from access.problems import ROLE_REQUIRED
from procedures.problems import PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND
from rest.fields import SLUG_SCHEMA
from rest.headers import (
    ETAG,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    LOCATION,
    NO_CACHE,
    REPLAYED,
    answer_header,
)
from rest.operations import Operation
from runs import examples
from runs.exports import COLUMNS, ExportSerializer
from runs.problems import (
    AMEND_TARGET_STALE,
    PROCEDURE_ARCHIVED,
    RUN_NOT_FINISHED,
    RUN_NOT_FOUND,
    RUN_NOT_IN_PROGRESS,
    RUN_TOO_LONG,
    STEP_ALREADY_COMMITTED,
    STEP_NOT_FOUND,
    STEP_NOT_SKIPPABLE,
    STEP_OUT_OF_ORDER,
)
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
    StartSerializer,
)

RUN_ID = OpenApiParameter("run_id", UUID, OpenApiParameter.PATH, description="The run's id.")
STEP_KEY = OpenApiParameter("step_key", SLUG_SCHEMA, OpenApiParameter.PATH, description="The step's key.")
FILE_NAME = answer_header(
    "Content-Disposition", {"type": "string", "pattern": "^attachment; filename="}, "The file's name.", HTTPStatus.OK
)

ABOUT_RUN = (RUN_NOT_FOUND, RUN_NOT_IN_PROGRESS)
ABOUT_STEP = (*ABOUT_RUN, ROLE_REQUIRED, STEP_NOT_FOUND)
RESOLVING = (*ABOUT_STEP, STEP_OUT_OF_ORDER, STEP_ALREADY_COMMITTED)


@extend_schema_serializer(many=False)  # an object, though the action is `list`
class RunPageSerializer(serializers.Serializer[Any]):
    """Some runs, newest first, and where the next page is."""

    runs = RunHeadSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    next_cursor = serializers.UUIDField(allow_null=True)


class RecordedSerializer(serializers.Serializer[Any]):
    """A step commit, and the state of its run after it."""

    commit = CommitSerializer()
    run = RunAfterEventSerializer()


VERB_HEADERS = (IF_MATCH, IDEMPOTENCY_KEY, ETAG, REPLAYED)
verb_of_run = partial(Operation, parameters=(RUN_ID, *VERB_HEADERS), answer=RunHeadSerializer)
verb_of_step = partial(
    Operation, parameters=(RUN_ID, STEP_KEY, *VERB_HEADERS), status=HTTPStatus.CREATED, answer=RecordedSerializer
)
export = partial(Operation, parameters=(RUN_ID, NO_CACHE, FILE_NAME), problems=(RUN_NOT_FOUND, RUN_NOT_FINISHED))

RUN_OPERATIONS = {
    "list": Operation(
        id="listRuns",
        summary="List runs",
        description="A page of runs, newest first. `next` is the path of the next page, `next_cursor` what it has as "
        "`cursor`; both are null on the last one.",
        answer=RunPageSerializer,
        example={"runs": [examples.HEAD], "next": None, "next_cursor": None},
    ),
    "create": Operation(
        id="startRun",
        summary="Start a run",
        description="Starts a run of the procedure's current revision, or of the revision in the body.",
        parameters=(IDEMPOTENCY_KEY, ETAG, LOCATION, REPLAYED),
        body=StartSerializer,
        body_example=examples.START_BODY,
        status=HTTPStatus.CREATED,
        answer=RunSerializer,
        example=examples.STARTED_RUN,
        problems=(PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND, PROCEDURE_ARCHIVED),
    ),
    "retrieve": Operation(
        id="getRun",
        summary="Read a run",
        description="The run with the state of each step and the history of its step commits.",
        parameters=(RUN_ID, IF_NONE_MATCH, ETAG, NO_CACHE),
        answer=RunSerializer,
        example=examples.RUN,
        problems=(RUN_NOT_FOUND,),
    ),
    "current": Operation(
        id="getCurrentSteps",
        summary="Read the next steps",
        description="The steps that can be committed now, with their instructions and slots: small enough for a phone.",
        parameters=(RUN_ID, IF_NONE_MATCH, ETAG, NO_CACHE),
        answer=CurrentSerializer,
        example=examples.CURRENT,
        problems=(RUN_NOT_FOUND,),
    ),
    "export_json": export(
        id="exportRun",
        summary="Export a finished run",
        description="The run with the revision that it executed and its whole ledger: a record to keep.",
        answer=ExportSerializer,
        example=examples.EXPORT,
    ),
    "export_csv": export(
        id="exportRunTable",
        summary="Export the ledger of a finished run as a table",
        description=f"CSV (RFC 4180) with the columns {', '.join(COLUMNS)}.",
        media_type="text/csv",
        answer={"type": "string"},
        example=f"{','.join(COLUMNS)}\r\n",
    ),
    "commit": verb_of_step(
        id="commitStep",
        summary="Commit a step",
        description="Records what was done. `values` has a member for each slot of the step, `checklist` one for each "
        "item. The commit that resolves the last step completes the run.",
        body=CommitBodySerializer,
        body_example=examples.COMMIT_BODY,
        example=examples.recorded(examples.COMMIT),
        problems=RESOLVING,
    ),
    "skip": verb_of_step(
        id="skipStep",
        summary="Skip a step",
        description="Records why a skippable step is not done.",
        body=ReasonBodySerializer,
        body_example={"reason": examples.SKIP["reason"]},
        example=examples.recorded(examples.SKIP),
        problems=(*RESOLVING, STEP_NOT_SKIPPABLE),
    ),
    "amend": verb_of_step(
        id="amendStep",
        summary="Correct a commit or a skip",
        description="Records the whole content again, and the reason. The replaced event stays in the history.",
        body=AmendBodySerializer,
        body_example=examples.AMEND_BODY,
        example=examples.recorded(examples.AMENDMENT),
        problems=(*ABOUT_STEP, RUN_TOO_LONG, AMEND_TARGET_STALE),
    ),
    "pause": verb_of_run(
        id="pauseRun",
        summary="Pause a run",
        description="The run takes no commits until it is resumed.",
        body=PauseBodySerializer,
        body_example={"reason": "Fire drill."},
        example={**examples.HEAD, "last_seq": 5, "status": "paused"},
        problems=(*ABOUT_RUN, RUN_TOO_LONG),
    ),
    "resume": verb_of_run(
        id="resumeRun",
        summary="Resume a paused run",
        description="The run takes commits again.",
        body=ResumeBodySerializer,
        body_example={},
        example={**examples.HEAD, "last_seq": 6},
        problems=ABOUT_RUN,
    ),
    "abort": verb_of_run(
        id="abortRun",
        summary="Abort a run",
        description="Ends the run before its steps are resolved, for good.",
        body=ReasonBodySerializer,
        body_example={"reason": examples.ENDED["end_reason"]},
        example={**examples.HEAD, "last_seq": 5, **examples.ENDED},
        problems=ABOUT_RUN,
    ),
}
