"""Examples of procedures and revisions, for /openapi.json."""

from typing import Any

STEP: dict[str, Any] = {
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
CONTENT = {
    "key": "gibson-assembly",
    "title": "Gibson assembly cloning",
    "description": "Joins overlapping DNA fragments in one tube.",
    "ordering": "strict",
    "steps": [STEP],
}
DEFINITION = {**CONTENT, "tags": ["laboratory", "cloning"]}
PROCEDURE = {**DEFINITION, "revision": 3, "status": "active", "updated_at": "2026-11-20T08:00:00.000Z"}
REVISION_HEAD = {
    "revision": PROCEDURE["revision"],
    "title": CONTENT["title"],
    "change_note": "The block may stay hot for up to 65 minutes.",
    "content_sha256": "5b1c7d0c9a8f4be1f3c1f2f0e6a0f1c24d8f9f6f7a3e0b9d1c2e3f405162738a",
    "published_at": PROCEDURE["updated_at"],
}
REVISION = {**REVISION_HEAD, **CONTENT, "based_on": 2}
