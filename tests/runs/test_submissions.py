"""What an operator submits is read from a body and checked against the step."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from procedures.models import Step
from rest import timestamps
from runs.serializers import CommitBodySerializer, submission_from
from tests.factories import item, slot

NOW = timestamps.to_milliseconds(datetime.now(UTC))
STEP = Step(
    key="incubate",
    slots=[
        slot("minutes", "integer", min=15, max=65, out_of_range="deviation"),
        slot("mass", "decimal", min=1, required=False),
    ],
    checklist=[item("on_ice")],
)
RIGHT: dict[str, Any] = {"values": {"minutes": 60}, "checklist": {"on_ice": True}}


def findings_in(**members: Any) -> list[tuple[str, str]]:
    submission = submission_from({**RIGHT, **members}, CommitBodySerializer)
    return [(finding.pointer, finding.code) for finding in submission.findings_for(STEP, NOW)]


def test_a_complete_submission_has_no_findings() -> None:
    assert findings_in(note="Fine.", performed_at=timestamps.to_wire(NOW)) == []


def test_an_empty_body_lacks_what_is_required() -> None:
    submission = submission_from({}, CommitBodySerializer)

    assert [(f.pointer, f.code) for f in submission.findings_for(STEP, NOW)] == [
        ("/values/minutes", "required"),
        ("/checklist/on_ice", "required_true"),
    ]


@pytest.mark.parametrize(
    ("members", "finding"),
    [
        ({"values": []}, ("/values", "type")),
        ({"values": None}, ("/values", "null")),
        ({"checklist": "all"}, ("/checklist", "type")),
        ({"note": 5}, ("/note", "type")),
        ({"note": ""}, ("/note", "blank")),
        ({"note": "x" * 4001}, ("/note", "max_length")),
        ({"performed_at": "yesterday"}, ("/performed_at", "type")),
        ({"performed_at": "2026-11-23T09:14:05"}, ("/performed_at", "type")),
        ({"performed_at": 1795424047}, ("/performed_at", "type")),
        ({"deviations": {}}, ("/deviations", "not_a_list")),
        ({"deviations": ["minutes"]}, ("/deviations/0", "invalid")),
        ({"deviations": [{"slot": "minutes"}]}, ("/deviations/0/reason", "required")),
        ({"deviations": [{"slot": "minutes", "reason": ""}]}, ("/deviations/0/reason", "blank")),
        ({"vlaues": {}}, ("/vlaues", "unknown")),
        ({"reason": "x"}, ("/reason", "unknown")),
        ({"a/b": 1}, ("/a~1b", "unknown")),
    ],
)
def test_a_malformed_member_is_a_finding_and_the_rest_is_still_checked(
    members: dict[str, Any], finding: tuple[str, str]
) -> None:
    assert findings_in(**members) == [finding]


def test_everything_that_is_wrong_is_reported_at_once() -> None:
    findings = findings_in(
        values={"minutes": "60", "mass": 0, "colour": "red"},
        checklist={"on_ice": False},
        note=5,
        performed_at=timestamps.to_wire(NOW + timedelta(hours=1)),
        deviations=[{"slot": "colour", "reason": "r"}],
    )

    assert findings == [
        ("/note", "type"),
        ("/values/colour", "unknown"),
        ("/values/minutes", "type"),
        ("/values/mass", "min"),
        ("/deviations/0/slot", "unknown"),
        ("/checklist/on_ice", "required_true"),
        ("/performed_at", "future"),
    ]


@pytest.mark.parametrize(("minutes", "findings"), [(5, []), (6, [("/performed_at", "future")])])
def test_a_clock_may_be_ahead_by_five_minutes(minutes: int, findings: list[tuple[str, str]]) -> None:
    assert findings_in(performed_at=timestamps.to_wire(NOW + timedelta(minutes=minutes))) == findings


def test_a_reason_excuses_a_number_out_of_range() -> None:
    assert findings_in(values={"minutes": 71}, deviations=[{"slot": "minutes", "reason": "Lid alarm"}]) == []


@pytest.mark.parametrize(
    ("values", "slots", "finding"),
    [
        ({"minutes": 71}, ["minutes", "minutes"], ("/deviations/1/slot", "duplicate")),
        ({"minutes": 60}, ["minutes"], ("/deviations/0/slot", "not_applicable")),
        ({"minutes": 60}, ["other"], ("/deviations/0/slot", "unknown")),
        ({"minutes": 60, "mass": 2}, ["mass"], ("/deviations/0/slot", "not_applicable")),
    ],
)
def test_a_reason_without_anything_to_excuse_is_a_finding(
    values: dict[str, Any], slots: list[str], finding: tuple[str, str]
) -> None:
    assert findings_in(values=values, deviations=[{"slot": key, "reason": "r"} for key in slots]) == [finding]


def test_a_reason_for_a_missing_number_is_a_finding() -> None:
    findings = findings_in(values={}, deviations=[{"slot": "minutes", "reason": "r"}])

    assert findings == [("/values/minutes", "required"), ("/deviations/0/slot", "not_applicable")]


def test_deviations_are_stored_with_limits_and_reasons() -> None:
    submission = submission_from(
        {"values": {"minutes": 71}, "deviations": [{"slot": "minutes", "reason": "Lid alarm"}]}, CommitBodySerializer
    )

    (deviation,) = submission.deviations_for(STEP)

    assert (deviation["slot"], deviation["limit"]["max"], deviation["reason"]) == ("minutes", 65, "Lid alarm")


def test_values_are_taken_as_they_were_sent() -> None:
    values = {"minutes": 60, "mass": Decimal("1.50")}

    submission = submission_from({**RIGHT, "values": values}, CommitBodySerializer)

    assert submission.values == values
    assert str(submission.values["mass"]) == "1.50"
