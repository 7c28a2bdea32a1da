"""What the operations on runs promise; /openapi.json is made of it."""

from functools import partial
from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from access.problems import ROLE_REQUIRED
from procedures.problems import PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND
from procedures.schema import ASK_EACH_TIME, LOCATION, REVISION, SLUG_SCHEMA, STEPS
from rest.operations import Operation, Parameter, Precondition
from runs.exports import COLUMNS, ExportSerializer
from runs.problems import (
    ACTOR,
    AMEND_TARGET_STALE,
    COMMIT,
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

RUN_ID = {"run_id": Parameter("The run's id.", {"type": "string", "format": "uuid"})}
STEP = {**RUN_ID, "step_key": Parameter("The step's key.", SLUG_SCHEMA)}

DOWNLOAD = {
    **ASK_EACH_TIME,
    "Content-Disposition": Parameter("The file's name.", {"type": "string", "pattern": "^attachment; filename="}),
}

SKIP = {
    **COMMIT,
    "kind": "skip",
    "values": {},
    "checklist": {},
    "deviations": [],
    "note": None,
    "reason": "No culture to be kept.",
    "performed_at": None,
}
AMENDMENT = {
    **COMMIT,
    "seq": 5,
    "kind": "amend",
    "values": {"minutes": 64},
    "deviations": [],
    "reason": "The cycler's log shows 64 minutes.",
    "amends": 4,
}
AFTER_EVENT = {
    "id": "019aa7f2-6c1e-7d3a-9b1f-2f5e8f0a1c11",
    "status": "in_progress",
    "last_seq": 4,
    "progress": {"resolved": 3, "total": 6},
    "next_steps": ["transform"],
}
HEAD = {
    **AFTER_EVENT,
    "title": "pUC19-GFP, batch 12",
    "external_ref": "ELN-1881",
    "procedure": {"key": "gibson-assembly", "revision": 3, "title": "Gibson assembly cloning"},
    "started_by": ACTOR,
    "started_at": "2026-11-23T07:31:00.000Z",
    "ended_at": None,
    "end_reason": None,
}
START = {"seq": 1, "kind": "start", "reason": None, "actor": ACTOR, "recorded_at": "2026-11-23T07:31:00.000Z"}
STEP_STATE = {
    "key": "incubate",
    "title": "Incubate at 50 °C",
    "state": "committed",
    "effective_seq": 4,
    "amended": False,
    "deviated": True,
}
ENDED = {
    "status": "aborted",
    "next_steps": [],
    "ended_at": "2026-11-23T10:02:11.070Z",
    "end_reason": "The sample was lost.",
}
EXPORTED_EVENT = {**COMMIT, "step_title": "Incubate at 50 °C", "hash": REVISION["content_sha256"]}
RUN = {**HEAD, "steps": [STEP_STATE], "commits": [COMMIT], "status_changes": [START]}

ABOUT_RUN = (RUN_NOT_FOUND, RUN_NOT_IN_PROGRESS)
ABOUT_STEP = (*ABOUT_RUN, ROLE_REQUIRED, STEP_NOT_FOUND)
RESOLVING = (*ABOUT_STEP, STEP_OUT_OF_ORDER, STEP_ALREADY_COMMITTED)


class RunPageSerializer(serializers.Serializer[Any]):
    """Some runs, newest first, and where the next page is."""

    runs = RunHeadSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class RecordedSerializer(serializers.Serializer[Any]):
    """What was recorded about a step, and where the run stands after it."""

    commit = CommitSerializer()
    run = RunAfterEventSerializer()


about_step = partial(
    Operation,
    path=STEP,
    status=HTTPStatus.CREATED,
    answer=RecordedSerializer,
    answers_etag=True,
    precondition=Precondition.OPTIONAL,
    has_idempotency_key=True,
)
about_run = partial(
    Operation,
    path=RUN_ID,
    answer=RunHeadSerializer,
    answers_etag=True,
    precondition=Precondition.OPTIONAL,
    has_idempotency_key=True,
)

RUN_OPERATIONS = {
    "list": Operation(
        id="listRuns",
        summary="List runs",
        description="A page of runs, newest first. `next` is the path of the next page; null at the end.",
        answer=RunPageSerializer,
        example={"runs": [HEAD], "next": None},
    ),
    "create": Operation(
        id="startRun",
        summary="Start a run",
        description="Starts a run of a procedure's current revision, or of the one that is named.",
        body=StartSerializer,
        body_example={
            "procedure": "gibson-assembly",
            "revision": 3,
            "title": "pUC19-GFP, batch 12",
            "external_ref": "ELN-1881",
        },
        status=HTTPStatus.CREATED,
        answer=RunSerializer,
        example={
            **RUN,
            "last_seq": 1,
            "progress": {"resolved": 0, "total": 6},
            "next_steps": ["incubate"],
            "steps": [{**STEP_STATE, "state": "available", "effective_seq": None, "deviated": False}],
            "commits": [],
        },
        answers_etag=True,
        has_idempotency_key=True,
        headers=LOCATION,
        problems=(PROCEDURE_NOT_FOUND, REVISION_NOT_FOUND, PROCEDURE_ARCHIVED),
    ),
    "retrieve": Operation(
        id="getRun",
        summary="Read a run",
        description="The run with the state of each step and the history of its step commits.",
        path=RUN_ID,
        answer=RunSerializer,
        example=RUN,
        is_revalidated=True,
        headers=ASK_EACH_TIME,
        problems=(RUN_NOT_FOUND,),
    ),
    "current": Operation(
        id="getCurrentSteps",
        summary="Read what is to be done now",
        description="The steps that come next, with their instructions and slots: small enough for a phone.",
        path=RUN_ID,
        answer=CurrentSerializer,
        example={**AFTER_EVENT, "title": HEAD["title"], "next_steps": ["incubate"], "steps": STEPS},
        problems=(RUN_NOT_FOUND,),
    ),
    "export_json": Operation(
        id="exportRun",
        summary="Export a finished run",
        description="The run with the revision that it executed and its whole ledger: a record to keep.",
        path=RUN_ID,
        answer=ExportSerializer,
        example={**RUN, **ENDED, "revision": REVISION, "events": [EXPORTED_EVENT]},
        headers=DOWNLOAD,
        problems=(RUN_NOT_FOUND, RUN_NOT_FINISHED),
    ),
    "export_csv": Operation(
        id="exportRunTable",
        summary="Export the ledger of a finished run as a table",
        description=f"CSV (RFC 4180) with the columns {', '.join(COLUMNS)}.",
        path=RUN_ID,
        media_type="text/csv",
        answer={"type": "string"},
        example=f"{','.join(COLUMNS)}\r\n",
        headers=DOWNLOAD,
        problems=(RUN_NOT_FOUND, RUN_NOT_FINISHED),
    ),
    "commit": about_step(
        id="commitStep",
        summary="Commit a step",
        description="Records what was done: `values` has a member for each slot of the step, `checklist` one for each "
        "item. The commit that resolves the last step completes the run.",
        body=CommitBodySerializer,
        body_example={
            "values": {"minutes": 71},
            "checklist": {"on_ice": True},
            "deviations": [{"slot": "minutes", "reason": "Lid alarm, the block stayed hot."}],
            "note": "Control tube treated alike.",
            "performed_at": "2026-11-23T09:14:05Z",
        },
        example={"commit": COMMIT, "run": {**AFTER_EVENT, "last_seq": COMMIT["seq"]}},
        problems=RESOLVING,
    ),
    "skip": about_step(
        id="skipStep",
        summary="Skip a step",
        description="Records why a skippable step is not done.",
        body=ReasonBodySerializer,
        body_example={"reason": "No culture to be kept."},
        example={"commit": SKIP, "run": {**AFTER_EVENT, "last_seq": SKIP["seq"]}},
        problems=(*RESOLVING, STEP_NOT_SKIPPABLE),
    ),
    "amend": about_step(
        id="amendStep",
        summary="Correct a commit or a skip",
        description="Records the whole content again, and why. What is replaced stays in the history.",
        body=AmendBodySerializer,
        body_example={
            "amends": 4,
            "values": {"minutes": 64},
            "checklist": {"on_ice": True},
            "reason": "The cycler's log shows 64 minutes.",
        },
        example={"commit": AMENDMENT, "run": {**AFTER_EVENT, "last_seq": AMENDMENT["seq"]}},
        problems=(*ABOUT_STEP, RUN_TOO_LONG, AMEND_TARGET_STALE),
    ),
    "pause": about_run(
        id="pauseRun",
        summary="Pause a run",
        description="Until it is resumed it takes no commits.",
        body=PauseBodySerializer,
        body_example={"reason": "Fire drill."},
        example={**HEAD, "last_seq": 5, "status": "paused"},
        problems=(*ABOUT_RUN, RUN_TOO_LONG),
    ),
    "resume": about_run(
        id="resumeRun",
        summary="Resume a paused run",
        description="It takes commits again.",
        body=ResumeBodySerializer,
        body_example={},
        example={**HEAD, "last_seq": 6},
        problems=ABOUT_RUN,
    ),
    "abort": about_run(
        id="abortRun",
        summary="Abort a run",
        description="Ends it before its steps are resolved, for good.",
        body=ReasonBodySerializer,
        body_example={"reason": "The sample was lost."},
        example={**HEAD, "last_seq": 5, **ENDED},
        problems=ABOUT_RUN,
    ),
}
