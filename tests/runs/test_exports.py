"""Records of finished runs, over HTTP."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from access.actions import issue_token
from access.roles import Role
from rest import exact_json
from runs.actions import abort_run, pause_run
from runs.exports import COLUMNS
from runs.models import Run
from tests.conftest import ApiClient
from tests.factories import body, commit, item, slot, start, step, verb_request

pytestmark = pytest.mark.django_db(transaction=True)  # an export takes a snapshot of its own

STEPS = [
    step(title="=cmd()", slots=[slot("mass", "decimal", unit="g"), slot("lot", "text")], checklist=[item("ppe")]),
    step("incubate"),
]
NOTE = 'first line\nsecond, "quoted" µ'


@pytest.fixture
def actor(person: Callable[[Role], User]) -> User:
    user = person(Role.SUPERVISOR)
    user.first_name, user.last_name = "+Ada", "Lovelace"
    user.save()
    return user


@pytest.fixture
def running(actor: User) -> Run:
    """A run with one step to go."""
    run = start(actor, body(steps=STEPS))
    values = {"mass": exact_json.loads("12.50"), "lot": "=1+1"}
    commit(run, "measure", actor, values=values, checklist={"ppe": True}, note=NOTE)
    return run


@pytest.fixture
def finished(running: Run, actor: User) -> Run:
    """A completed run of three events."""
    commit(running, "incubate", actor, note="@home", performed_at="2026-11-20T10:14:05.250+01:00")
    return running


def path(run: Run, kind: str) -> str:
    return f"/runs/{run.pk}/export.{kind}"


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))


# --- JSON ---


def test_the_record_begins_as_the_run_is_shown(viewer: ApiClient, finished: Run) -> None:
    record = viewer.get(path(finished, "json")).json()

    shown = viewer.get(f"/runs/{finished.pk}").json()
    assert {name: record[name] for name in shown} == shown
    assert record.keys() - shown.keys() == {"revision", "events"}


def test_the_record_has_every_event_with_its_hash(viewer: ApiClient, finished: Run) -> None:
    events = viewer.get(path(finished, "json")).json()["events"]

    stored = list(finished.events.order_by("seq"))
    assert [(event["seq"], event["kind"], event["hash"]) for event in events] == [
        (event.seq, event.kind, event.hash) for event in stored
    ]
    assert [event["step_key"] for event in events] == [None, "measure", "incubate"]
    assert events[0]["values"]["content_sha256"] == finished.revision.content_sha256
    assert (events[1]["checklist"], events[1]["note"]) == ({"ppe": True}, NOTE)


def test_the_record_has_the_steps_as_they_were_executed(viewer: ApiClient, author: ApiClient, finished: Run) -> None:
    executed = viewer.get("/procedures/gibson/revisions/1").json()
    author.put("/procedures/gibson", body(title="Rewritten"), headers={"If-Match": "*"})

    revision = viewer.get(path(finished, "json")).json()["revision"]

    assert revision == executed
    assert [item["key"] for item in revision["steps"]] == ["measure", "incubate"]


def test_the_record_keeps_every_digit(viewer: ApiClient, finished: Run) -> None:
    assert viewer.get(path(finished, "json")).content.count(b'"mass":12.50') == 2


def test_the_record_has_no_idempotency_keys(viewer: ApiClient, operator: ApiClient, running: Run) -> None:
    answer = operator.post(f"/runs/{running.pk}/steps/incubate/commit", headers={"Idempotency-Key": "k-secret"})
    assert answer.status_code == 201

    for kind in ("json", "csv"):
        content = viewer.get(path(running, kind)).text
        assert "k-secret" not in content
        assert "idempotency" not in content


# --- CSV ---


def test_the_table_has_a_header_and_one_line_per_event(viewer: ApiClient, finished: Run) -> None:
    rows = rows_of(viewer.get(path(finished, "csv")))

    assert list(rows[0]) == list(COLUMNS)
    assert [(row["seq"], row["kind"], row["step_key"]) for row in rows] == [
        ("1", "start", ""),
        ("2", "commit", "measure"),
        ("3", "commit", "incubate"),
    ]
    assert [row["hash"] for row in rows] == [event.hash for event in finished.events.order_by("seq")]


def test_lines_end_as_rfc_4180_says(viewer: ApiClient, finished: Run) -> None:
    content = viewer.get(path(finished, "csv")).content

    assert content.startswith(",".join(COLUMNS).encode() + b"\r\n")
    assert content.endswith(b"\r\n")
    assert content.count(b"\r\n") == 4  # the line break inside the note stays as it is


def test_what_the_event_says_is_in_its_cells(viewer: ApiClient, finished: Run, actor: User) -> None:
    _, measured, incubated = rows_of(viewer.get(path(finished, "csv")))

    assert measured["values"] == '{"lot":"\\u003d1+1","mass":12.50}'
    assert exact_json.loads(measured["values"]) == {"lot": "=1+1", "mass": exact_json.loads("12.50")}
    assert (measured["checklist"], measured["deviations"]) == ('{"ppe":true}', "[]")
    assert measured["note"] == NOTE
    assert (measured["reason"], measured["amends"], measured["performed_at"]) == ("", "", "")
    assert measured["actor_id"] == str(actor.pk)
    assert incubated["performed_at"] == "2026-11-20T09:14:05.250Z"


def test_no_cell_begins_like_a_formula(viewer: ApiClient, finished: Run) -> None:
    _, measured, incubated = rows_of(viewer.get(path(finished, "csv")))

    assert measured["step_title"] == "'=cmd()"
    assert measured["actor_name"] == "'+Ada Lovelace"
    assert incubated["note"] == "'@home"


def test_no_cell_holds_a_formula_whatever_the_separator(viewer: ApiClient, running: Run, actor: User) -> None:
    commit(running, "incubate", actor, note="a;=1+1")

    assert rows_of(viewer.get(path(running, "csv")))[2]["note"] == "a;'=1+1"


# --- over HTTP ---


@pytest.mark.parametrize(("kind", "content_type"), [("json", "application/json"), ("csv", "text/csv; charset=utf-8")])
def test_an_export_is_a_file_to_keep(viewer: ApiClient, finished: Run, kind: str, content_type: str) -> None:
    answer = viewer.get(path(finished, kind))

    assert answer.status_code == 200
    assert answer["Content-Type"] == content_type
    assert answer["Content-Disposition"] == f'attachment; filename="run-{finished.pk}.{kind}"'
    assert answer["Cache-Control"] == "private, no-cache"
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("kind", "accept"),
    [
        ("csv", "text/csv"),
        ("csv", "text/*"),
        ("csv", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("json", "application/json"),
        ("json", "*/*"),
    ],
)
def test_a_client_that_asks_for_the_form_gets_it(viewer: ApiClient, finished: Run, kind: str, accept: str) -> None:
    assert viewer.get(path(finished, kind), headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize(("kind", "accept"), [("csv", "application/json"), ("json", "text/csv")])
def test_another_form_than_the_path_names_is_not_acceptable(
    viewer: ApiClient, finished: Run, kind: str, accept: str
) -> None:
    answer = viewer.get(path(finished, kind), headers={"Accept": accept})

    assert (answer.status_code, answer.json()["type"]) == (406, "/problems/not-acceptable")


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_an_unfinished_run_is_not_exported(viewer: ApiClient, running: Run, kind: str) -> None:
    answer = viewer.get(path(running, kind))

    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/run-not-finished"
    assert answer.json()["run_status"] == "in_progress"


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_paused_run_is_not_exported(viewer: ApiClient, running: Run, actor: User, kind: str) -> None:
    pause_run(request=verb_request(running, actor))

    answer = viewer.get(path(running, kind))

    assert (answer.status_code, answer.json()["run_status"]) == (409, "paused")


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_an_aborted_run_is_exported(viewer: ApiClient, running: Run, actor: User, kind: str) -> None:
    abort_run(request=verb_request(running, actor, reason="leak"))

    answer = viewer.get(path(running, kind))

    assert answer.status_code == 200
    assert "leak" in answer.text


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_run_that_does_not_exist_is_not_found(viewer: ApiClient, kind: str) -> None:
    answer = viewer.get(f"/runs/01938c1e-5d00-7000-8000-000000000001/export.{kind}", headers={"Accept": "*/*"})

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/run-not-found")


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_without_a_token_nobody_exports_a_run(finished: Run, anonymous: ApiClient, kind: str) -> None:
    assert anonymous.get(path(finished, kind)).status_code == 401


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_without_the_right_to_read_runs_nobody_exports_one(finished: Run, kind: str) -> None:
    stranger = ApiClient(issue_token(user=User.objects.create(username="stranger"), name="test"))

    assert stranger.get(path(finished, kind)).status_code == 403


def test_a_late_amendment_is_in_the_next_export(viewer: ApiClient, supervisor: ApiClient, finished: Run) -> None:
    before = viewer.get(path(finished, "csv"))
    content = {"amends": 3, "reason": "-typo", "values": {}, "checklist": {}}
    assert supervisor.post(f"/runs/{finished.pk}/steps/incubate/amend", content).status_code == 201

    rows = rows_of(viewer.get(path(finished, "csv")))

    assert len(rows) == len(rows_of(before)) + 1
    assert (rows[3]["kind"], rows[3]["amends"], rows[3]["reason"]) == ("amend", "3", "'-typo")


def test_a_head_request_gets_the_headers_alone(viewer: ApiClient, finished: Run) -> None:
    answer = viewer.head(path(finished, "csv"))

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"


def test_an_unknown_parameter_is_refused(viewer: ApiClient, finished: Run) -> None:
    assert viewer.get(f"{path(finished, 'csv')}?fields=seq").status_code == 400
