"""Bodies of fixed content, pinned byte for byte: whoever changes the bytes has to change the fingerprint too.

Else two nodes of a rolling deploy have one strong entity tag for two bodies, and take each other's payloads.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from procedures.actions import import_procedure
from procedures.bodies import body_of_procedure
from procedures.caches import PROCEDURES
from procedures.slots import SlotType
from procedures.submissions import Submission
from rest import exact_json
from runs.actions import VerbRequest, abort_run, amend_step, pause_run, resume_run, skip_step, start_run
from runs.bodies import body_of_run
from runs.models import Run
from runs.states import EventKind
from runs.submissions import StartSubmission
from tests import factories
from tests.factories import body, item, slot, step, verb_request
from versioned_cache.http.fingerprints import RENDERING

pytestmark = pytest.mark.django_db

PINNED = Path(__file__).with_name("pinned_bodies.json")
ODD = 'quotes " \\ / é e\u0301 😀 </script> [ ] { } , :'
BEGINNING = datetime(2026, 3, 29, 0, 59, 59, 7_000, tzinfo=UTC)  # one second before clocks went on in Europe
WHAT_TO_DO = (
    "These bodies are written differently than before: {names}. Old and new code must never share an entity tag, so"
    " change RENDERING in versioned_cache/http/fingerprints.py, and then pin the new bytes with"
    " `RECORD_BODIES=1 python -m pytest tests/test_pinned_bodies.py`."
)
SLOTS = [
    slot("text", "text", required=False, pattern="(?s).*", min_length=0, max_length=500),
    slot("integer", "integer", min=-9007199254740991, max=9007199254740991, unit="µm"),
    slot(
        "decimal", "decimal", decimals=2, unit="g",
        min=exact_json.loads("0.10"), max=exact_json.loads("1E+25"), out_of_range="deviation",
    ),
    slot("boolean", "boolean"),
    slot("choice", "choice", options=[{"value": "a", "label": "odd: " + ODD}, {"value": "b", "label": "B"}]),
    slot("multi_choice", "multi_choice", options=[{"value": "b", "label": "B"}, {"value": "a", "label": "A"}]),
    slot("date", "date"),
    slot("datetime", "datetime"),
    slot("duration", "duration"),
]  # fmt: skip
VALUES = {
    "text": ODD,
    "integer": -9007199254740991,
    "decimal": exact_json.loads("-0.00"),
    "boolean": False,
    "choice": "a",
    "multi_choice": ["b", "a"],
    "date": "2024-02-29",
    "datetime": "2026-03-29T02:00:00.5+01:00",
    "duration": "P1DT0.25S",
}
STEPS = [
    step("every-slot", title=ODD, instructions=ODD + "\n\t", caution=ODD, slots=SLOTS),
    step("list", skippable=True, expected_duration_s=86_400, checklist=[item("yes"), item("no", required=False)]),
    step("last"),
]


class Instants:
    """Instants that follow each other, some of them on a whole second."""

    def __init__(self) -> None:
        self._ticks = 0

    def next(self) -> datetime:
        self._ticks += 1
        return BEGINNING + self._ticks * timedelta(milliseconds=331)


@pytest.fixture
def actor() -> User:
    """Somebody who may do everything, with an id that stays the same."""
    return User.objects.create(id=4_711, username="odd", first_name='"Ö"', last_name="O'Neil \\", is_superuser=True)


def publish(definition: dict[str, Any]) -> None:
    import_procedure(definition=Submission(definition).definition(), now=BEGINNING)


def start(actor: User, key: str, **content: Any) -> Run:
    return start_run(submission=StartSubmission(key, **content), actor=actor, now=BEGINNING).event.run


def aborted_run(actor: User) -> Run:
    """Return a run with events of every kind."""
    clock = Instants()
    run = start(actor, "any", title=ODD, external_ref=ODD)

    def request(**submission: Any) -> VerbRequest:
        return verb_request(run, actor, clock.next(), **submission)

    factories.commit(
        run, "every-slot", actor, clock.next(), values=VALUES, note=ODD,
        deviations=[{"slot": "decimal", "reason": ODD}], performed_at="2026-03-29T00:59:00+02:30",
    )  # fmt: skip
    skip_step(request=request(reason=ODD), step_key="list")
    correction = VALUES | {"decimal": exact_json.loads("12345678901.50"), "text": "", "integer": 0}
    amend_step(request=request(amends=2, values=correction, reason="typo"), step_key="every-slot")
    pause_run(request=request())
    resume_run(request=request())
    abort_run(request=request(reason=ODD))
    return run


def completed_run(actor: User) -> Run:
    """Return a run that was amended after its end."""
    clock = Instants()
    run = start(actor, "strict")
    factories.commit(run, "list", actor, clock.next(), checklist={"yes": True, "no": False})
    factories.commit(run, "last", actor, clock.next())
    amend_step(request=verb_request(run, actor, clock.next(), amends=3, reason="late"), step_key="last")
    return run


def bodies(actor: User) -> dict[str, bytes]:
    """Return every cached body of fixed content, by a name; ids that differ each time are masked."""
    publish(body("any", title=ODD, description=ODD, ordering="any", tags=["b", "a"], steps=STEPS))
    publish(body("strict", steps=STEPS[1:]))
    runs = {"aborted": aborted_run(actor), "completed": completed_run(actor), "just started": start(actor, "strict")}
    found = {"list": PROCEDURES(), "procedure": body_of_procedure("any") or b""}
    for name, run in runs.items():
        found[f"run, {name}"] = (body_of_run(run.pk) or b"").replace(str(run.pk).encode(), b"<the run's id>")
    return found


def test_the_bytes_of_fixed_bodies_are_those_of_this_rendering(actor: User) -> None:
    pinned = json.loads(PINNED.read_text())
    found = {name: content.decode() for name, content in bodies(actor).items()}
    changed = sorted(name for name in found | pinned["bodies"] if found.get(name) != pinned["bodies"].get(name))

    if changed and os.environ.get("RECORD_BODIES") == "1" and pinned["rendering"] != RENDERING:
        PINNED.write_text(json.dumps({"rendering": RENDERING, "bodies": found}, indent=1) + "\n")
        return
    assert not changed, WHAT_TO_DO.format(names="; ".join(changed))
    assert pinned["rendering"] == RENDERING


def test_the_pinned_bodies_hold_all_that_can_be_in_one(actor: User) -> None:
    found = bodies(actor)
    run = json.loads(found["run, aborted"])
    steps = json.loads(found["procedure"])["steps"]

    assert {one["type"] for one in steps[0]["slots"]} == {slot_type.value for slot_type in SlotType}
    assert {event["kind"] for event in run["commits"] + run["status_changes"]} == {kind.value for kind in EventKind}
    assert set(run["commits"][0]["values"]) == {one["key"] for one in SLOTS}
