"""What the patterns of a step cost its run: nothing while it is locked, and nothing for whoever may not commit."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from procedures.patterns import Compiling, Matching
from runs.ledger import faults_in
from runs.models import Run
from tests.answers import findings, problem
from tests.conftest import ApiClient
from tests.factories import body, publish, slot, step

CODE = slot("code", "text", pattern=r"[A-Z]{2}-\d{6}")
NAME = slot("name", "text", pattern=r"\pL{30}", required=False)
WHY = {"slot": "name", "reason": "Read from the badge."}


@pytest.fixture
def matched(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each text that is matched, whether a transaction was open."""
    matched: list[bool] = []
    matches = Matching.matches

    def watched(matching: Matching, pattern: str, text: str) -> bool:
        matched.append(connection.in_atomic_block)
        return matches(matching, pattern, text)

    monkeypatch.setattr(Matching, "matches", watched)
    return matched


def run_of(client: ApiClient, *slots: dict[str, Any]) -> str:
    """Start a run of one step with these slots, and return its path."""
    publish(body(steps=[step("measure", slots=list(slots))]))
    return str(client.post("/runs", {"procedure": "gibson"}).headers["Location"])


@pytest.fixture
def old_run(operator: ApiClient) -> Iterator[str]:
    """A run of a revision from the time when patterns had no bound."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compiling, "check", lambda *_: None)
        yield run_of(operator, NAME)


@pytest.mark.django_db(transaction=True)
def test_texts_are_matched_before_the_run_is_locked(supervisor: ApiClient, matched: list[bool]) -> None:
    path = run_of(supervisor, CODE)

    refused = supervisor.post(f"{path}/steps/measure/commit", {"values": {"code": "no"}})
    commit = supervisor.post(f"{path}/steps/measure/commit", {"values": {"code": "AB-123456"}})
    amendment = {"amends": 2, "values": {"code": "AB-123457"}, "reason": "Typing error"}
    amended = supervisor.post(f"{path}/steps/measure/amend", amendment)

    assert findings(refused) == [("/values/code", "pattern")]
    assert (commit.status_code, amended.status_code) == (201, 201)
    assert matched == [False] * 3


@pytest.mark.django_db
def test_nothing_is_matched_for_whoever_may_not_commit(
    operator: ApiClient, viewer: ApiClient, matched: list[bool]
) -> None:
    path = run_of(operator, CODE)

    answer = viewer.post(f"{path}/steps/measure/commit", {"values": {"code": "AB-123456"}})

    assert problem(answer) == (403, "forbidden")
    assert matched == []


@pytest.mark.django_db
def test_a_pattern_that_is_too_large_is_not_published(author: ApiClient) -> None:
    answer = author.post("/procedures", body(steps=[step("measure", slots=[CODE, NAME])]))

    assert findings(answer) == [("/steps/0/slots/1/pattern", "pattern_too_large")]


@pytest.mark.django_db
def test_texts_that_cost_too_much_to_match_are_refused(operator: ApiClient) -> None:
    slots = [slot(f"s{number}", "text", pattern=r"\pL{3}|.*") for number in range(12)]
    path = run_of(operator, *slots)

    answer = operator.post(f"{path}/steps/measure/commit", {"values": {slot["key"]: "x" * 5000 for slot in slots}})

    assert set(findings(answer)) == {(f"/values/s{number}", "max_length") for number in range(2, 12)}


@pytest.mark.django_db
def test_a_text_whose_old_pattern_cannot_be_checked_needs_somebody_who_vouches_for_it(
    operator: ApiClient, old_run: str
) -> None:
    commit = f"{old_run}/steps/measure/commit"

    refused = operator.post(commit, {"values": {"name": "Ada"}})
    assert findings(refused) == [("/values/name", "pattern_too_large")]

    answer = operator.post(commit, {"values": {"name": "Ada"}, "deviations": [WHY]})
    assert answer.json()["commit"]["deviations"] == [{**WHY, "limit": {}}]
    assert operator.get(old_run).json()["status"] == "completed"
    assert faults_in(Run.objects.get()) == []


@pytest.mark.django_db
def test_nobody_vouches_for_a_text_that_is_not_there_or_that_can_be_checked(operator: ApiClient, old_run: str) -> None:
    absent = operator.post(f"{old_run}/steps/measure/commit", {"deviations": [WHY]})
    path = run_of(operator, CODE)
    content = {"values": {"code": "no"}, "deviations": [{**WHY, "slot": "code"}]}
    checkable = operator.post(f"{path}/steps/measure/commit", content)

    assert findings(absent) == [("/deviations/0/slot", "not_applicable")]
    assert findings(checkable) == [("/values/code", "pattern"), ("/deviations/0/slot", "not_applicable")]
