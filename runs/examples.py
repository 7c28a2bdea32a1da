"""Examples of runs and of what happens to them, for /openapi.json."""

from typing import Any

from procedures.examples import REVISION, STEP

ACTOR = {"id": 42, "name": "Mara Koch"}
DEVIATION = {"slot": "minutes", "reason": "The lid alarm went off; the block stayed hot."}
COMMIT_BODY = {
    "values": {"minutes": 71},
    "checklist": {"on_ice": True},
    "deviations": [DEVIATION],
    "note": "The control tube was treated the same way.",
    "performed_at": "2026-11-23T09:14:05.000Z",
}
COMMIT: dict[str, Any] = {
    **COMMIT_BODY,
    "seq": 4,
    "kind": "commit",
    "step_key": STEP["key"],
    "deviations": [{**DEVIATION, "limit": {"min": 15, "max": 65}}],
    "reason": None,
    "amends": None,
    "actor": ACTOR,
    "recorded_at": "2026-11-23T09:14:07.412Z",
}
SKIP = {
    **COMMIT,
    "kind": "skip",
    "values": {},
    "checklist": {},
    "deviations": [],
    "note": None,
    "reason": "No culture needs to be kept.",
    "performed_at": None,
}
AMEND_BODY = {
    "amends": COMMIT["seq"],
    "values": {"minutes": 64},
    "checklist": COMMIT["checklist"],
    "reason": "The cycler's log shows 64 minutes.",
}
AMENDMENT = {**COMMIT, "seq": 5, "kind": "amend", "deviations": [], **AMEND_BODY}
AFTER_EVENT = {
    "id": "019aa7f2-6c1e-7d3a-9b1f-2f5e8f0a1c11",
    "status": "in_progress",
    "last_seq": COMMIT["seq"],
    "progress": {"resolved": 3, "total": 6},
    "next_steps": ["transform"],
}
PROCEDURE = {name: REVISION[name] for name in ("key", "revision", "title")}
HEAD = {
    **AFTER_EVENT,
    "title": "pUC19-GFP, batch 12",
    "external_ref": "ELN-1881",
    "procedure": PROCEDURE,
    "started_by": ACTOR,
    "started_at": "2026-11-23T07:31:00.000Z",
    "ended_at": None,
    "end_reason": None,
}
START = {"seq": 1, "kind": "start", "reason": None, "actor": ACTOR, "recorded_at": HEAD["started_at"]}
STEP_STATE = {
    "key": STEP["key"],
    "title": STEP["title"],
    "state": "committed",
    "effective_seq": COMMIT["seq"],
    "amended": False,
    "deviated": True,
}
RUN = {**HEAD, "steps": [STEP_STATE], "commits": [COMMIT], "status_changes": [START]}
START_BODY = {
    "procedure": PROCEDURE["key"],
    "revision": PROCEDURE["revision"],
    "title": HEAD["title"],
    "external_ref": HEAD["external_ref"],
}
STARTED_RUN = {
    **RUN,
    "last_seq": START["seq"],
    "progress": {"resolved": 0, "total": 6},
    "next_steps": [STEP["key"]],
    "steps": [{**STEP_STATE, "state": "available", "effective_seq": None, "deviated": False}],
    "commits": [],
}
CURRENT = {**AFTER_EVENT, "title": HEAD["title"], "next_steps": [STEP["key"]], "steps": [STEP]}
ENDED = {
    "status": "aborted",
    "next_steps": [],
    "ended_at": "2026-11-23T10:02:11.070Z",
    "end_reason": "The sample was lost.",
}
EXPORTED_EVENT = {**COMMIT, "step_title": STEP["title"], "hash": REVISION["content_sha256"]}
EXPORT = {**RUN, **ENDED, "revision": REVISION, "events": [EXPORTED_EVENT]}


def recorded(commit: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of the verb that made a step commit."""
    return {"commit": commit, "run": {**AFTER_EVENT, "last_seq": commit["seq"]}}
