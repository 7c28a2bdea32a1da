"""Runs over HTTP: shapes, problems with their members, and which problem comes first."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User

from rest import timestamps
from runs.models import Run, RunEvent
from tests import factories
from tests.answers import findings, problem
from tests.conftest import ApiClient
from tests.factories import body, commit, item, publish, slot, start, step

NOBODY = "/runs/019aa7f2-6c1e-7d3a-9b1f-2f5e8f0a1c11"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

INCUBATE = step(
    "incubate",
    slots=[slot("minutes", "integer", unit="min", min=15, max=65, out_of_range="deviation")],
    checklist=[item("on_ice")],
)
DONE: dict[str, Any] = {"values": {"minutes": 60}, "checklist": {"on_ice": True}}


@pytest.fixture
def run(mkoch: User) -> Run:
    """A run of two steps; the first one has a slot and a checklist."""
    return start(mkoch, body(steps=[INCUBATE, step("plate")]))


def path_of(run: Run, key: str) -> str:
    return f"/runs/{run.pk}/steps/{key}/commit"


def test_post_starts_a_run_and_answers_its_detail(operator: ApiClient, viewer: ApiClient) -> None:
    publish(body(steps=[INCUBATE, step("plate")]))

    answer = operator.post("/runs", {"procedure": "gibson", "title": "Batch 12", "external_ref": "ELN-1"})

    run = Run.objects.get()
    assert (answer.status_code, answer["Location"]) == (201, f"/runs/{run.pk}")
    assert answer.json() == viewer.get(answer["Location"]).json()
    assert (answer.json()["title"], answer.json()["external_ref"]) == ("Batch 12", "ELN-1")


def test_a_run_has_exactly_the_documented_members(operator: ApiClient, run: Run, mkoch: User) -> None:
    commit(run, "incubate", mkoch, **DONE)
    actor = {"id": mkoch.pk, "name": mkoch.username}

    detail = operator.get(f"/runs/{run.pk}").json()

    for instant in (detail["started_at"], detail["commits"][0].pop("recorded_at")):
        assert INSTANT.fullmatch(instant)
    assert detail == {
        "id": str(run.pk),
        "title": "Gibson",
        "external_ref": None,
        "status": "in_progress",
        "last_seq": 2,
        "procedure": {"key": "gibson", "revision": 1, "title": "Gibson"},
        "started_by": actor,
        "started_at": timestamps.to_wire(run.started_at),
        "ended_at": None,
        "end_reason": None,
        "progress": {"resolved": 1, "total": 2},
        "next_steps": ["plate"],
        "steps": [
            {
                "key": "incubate",
                "title": "Incubate",
                "state": "committed",
                "effective_seq": 2,
                "amended": False,
                "deviated": False,
            },
            {
                "key": "plate",
                "title": "Plate",
                "state": "available",
                "effective_seq": None,
                "amended": False,
                "deviated": False,
            },
        ],
        "commits": [
            {
                "seq": 2,
                "kind": "commit",
                "step_key": "incubate",
                **DONE,
                "deviations": [],
                "note": None,
                "reason": None,
                "amends": None,
                "actor": actor,
                "performed_at": None,
            }
        ],
        "status_changes": [
            {
                "seq": 1,
                "kind": "start",
                "reason": None,
                "actor": actor,
                "recorded_at": timestamps.to_wire(run.started_at),
            }
        ],
    }


def test_the_history_is_in_the_order_of_the_ledger(viewer: ApiClient, mkoch: User) -> None:
    run = start(mkoch, body(steps=[step("a"), step("b"), step("c")], ordering="any"))
    for key in "cab":
        commit(run, key, mkoch)

    detail = viewer.get(f"/runs/{run.pk}").json()

    assert [(event["seq"], event["step_key"]) for event in detail["commits"]] == [(2, "c"), (3, "a"), (4, "b")]
    assert [item["key"] for item in detail["steps"]] == ["a", "b", "c"]
    assert (detail["status"], detail["next_steps"]) == ("completed", [])
    assert detail["ended_at"] == detail["commits"][-1]["recorded_at"]


def test_a_runs_body_does_not_change_when_its_surroundings_do(viewer: ApiClient, run: Run, mkoch: User) -> None:
    before = viewer.get(f"/runs/{run.pk}").content

    publish(body(title="Renamed", steps=[step("other")]))
    factories.archive()
    mkoch.first_name = "Renamed"
    mkoch.save()

    assert viewer.get(f"/runs/{run.pk}").content == before


def test_a_client_may_keep_a_run_but_must_revalidate_it(viewer: ApiClient, run: Run) -> None:
    answer = viewer.get(f"/runs/{run.pk}")

    assert answer["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Accept", "Accept-Encoding"} <= set(answer["Vary"].split(", "))


def test_an_unknown_run_is_404(viewer: ApiClient) -> None:
    assert problem(viewer.get(NOBODY)) == (404, "run-not-found")


@pytest.mark.parametrize("members", [{}, {"revision": None, "title": None, "external_ref": None}])
def test_post_uses_the_current_revision_and_its_title_by_default(operator: ApiClient, members: dict[str, Any]) -> None:
    publish(body(title="First"))
    publish(body(title="Second"))

    answer = operator.post("/runs", {"procedure": "gibson", **members})

    assert (answer.json()["title"], answer.json()["procedure"]["revision"]) == ("Second", 2)


def test_post_can_pin_an_older_revision(operator: ApiClient) -> None:
    publish(body(title="First"))
    publish(body(title="Second"))

    answer = operator.post("/runs", {"procedure": "gibson", "revision": 1})

    assert answer.json()["procedure"] == {"key": "gibson", "revision": 1, "title": "First"}


@pytest.mark.parametrize(
    ("members", "finding"),
    [
        ({"procedure": "Gibson"}, ("/procedure", "slug")),
        ({"procedure": "gibson\n"}, ("/procedure", "slug")),
        ({"procedure": 5}, ("/procedure", "type")),
        ({"procedure": None}, ("/procedure", "null")),
        ({"revision": 0}, ("/revision", "min_value")),
        ({"revision": "1"}, ("/revision", "type")),
        ({"revision": True}, ("/revision", "type")),
        ({"title": ""}, ("/title", "blank")),
        ({"title": 5}, ("/title", "type")),
        ({"title": "x" * 201}, ("/title", "max_length")),
        ({"external_ref": ""}, ("/external_ref", "blank")),
        ({"external_ref": "x" * 201}, ("/external_ref", "max_length")),
        ({"status": "completed"}, ("/status", "unknown")),
        ({"id": NOBODY}, ("/id", "unknown")),
    ],
)
def test_post_refuses_a_wrong_member(operator: ApiClient, members: dict[str, Any], finding: tuple[str, str]) -> None:
    publish(body())

    assert findings(operator.post("/runs", {"procedure": "gibson", **members})) == [finding]
    assert not Run.objects.exists()


def test_post_refuses_a_fraction_for_the_revision(operator: ApiClient) -> None:
    publish(body())

    assert findings(operator.post("/runs", '{"procedure": "gibson", "revision": 1.0}')) == [("/revision", "type")]


def test_post_without_a_body_lacks_the_procedure(operator: ApiClient) -> None:
    assert findings(operator.post("/runs")) == [("/procedure", "required")]


def test_post_of_an_unknown_procedure_is_404(operator: ApiClient) -> None:
    assert problem(operator.post("/runs", {"procedure": "nothing"})) == (404, "procedure-not-found")


@pytest.mark.parametrize("revision", [2, 2**53 - 1])
def test_post_of_an_unknown_revision_is_404(operator: ApiClient, revision: int) -> None:
    publish(body())

    answer = operator.post("/runs", {"procedure": "gibson", "revision": revision})

    assert problem(answer) == (404, "revision-not-found")


def test_post_of_an_archived_procedure_is_a_conflict(operator: ApiClient) -> None:
    publish(body())
    factories.archive()

    assert problem(operator.post("/runs", {"procedure": "gibson"})) == (409, "procedure-archived")


def test_a_commit_answers_the_event_and_where_the_run_stands(operator: ApiClient, run: Run, mkoch: User) -> None:
    answer = operator.post(
        path_of(run, "incubate"),
        {
            "values": {"minutes": 71},
            "checklist": {"on_ice": True},
            "deviations": [{"slot": "minutes", "reason": "Lid alarm"}],
            "note": "Control treated alike",
            "performed_at": "2026-01-02T04:04:05+01:00",
        },
    )

    assert answer.status_code == 201
    content = answer.json()
    assert content["run"] == {
        "id": str(run.pk),
        "status": "in_progress",
        "last_seq": 2,
        "progress": {"resolved": 1, "total": 2},
        "next_steps": ["plate"],
    }
    assert INSTANT.fullmatch(content["commit"].pop("recorded_at"))
    (deviation,) = content["commit"].pop("deviations")
    assert (deviation["slot"], deviation["limit"]["max"], deviation["reason"]) == ("minutes", 65, "Lid alarm")
    assert content["commit"] == {
        "seq": 2,
        "kind": "commit",
        "step_key": "incubate",
        "values": {"minutes": 71},
        "checklist": {"on_ice": True},
        "note": "Control treated alike",
        "reason": None,
        "amends": None,
        "actor": {"id": mkoch.pk, "name": mkoch.username},
        "performed_at": "2026-01-02T03:04:05.000Z",
    }


def test_what_a_commit_answered_is_what_the_history_shows(operator: ApiClient, run: Run) -> None:
    answered = operator.post(path_of(run, "incubate"), DONE).json()["commit"]

    assert operator.get(f"/runs/{run.pk}").json()["commits"] == [answered]


def test_the_last_commit_completes_the_run(operator: ApiClient, run: Run) -> None:
    operator.post(path_of(run, "incubate"), DONE)

    answer = operator.post(path_of(run, "plate"))

    assert (answer.json()["run"]["status"], answer.json()["run"]["next_steps"]) == ("completed", [])


def test_decimals_are_recorded_digit_for_digit(operator: ApiClient, mkoch: User) -> None:
    run = start(mkoch, body(steps=[step("weigh", slots=[slot("mass", "decimal")])]))

    answer = operator.post(path_of(run, "weigh"), '{"values": {"mass": 12.500}}')

    assert b'"mass":12.500' in answer.content
    assert b'"mass":12.500' in operator.get(f"/runs/{run.pk}").content


def test_a_commit_in_an_unknown_run_is_404(operator: ApiClient) -> None:
    assert problem(operator.post(f"{NOBODY}/steps/a/commit")) == (404, "run-not-found")


def test_a_commit_of_an_unknown_step_names_the_known_ones(operator: ApiClient, run: Run) -> None:
    answer = operator.post(path_of(run, "nothing"))

    assert problem(answer) == (404, "step-not-found")
    assert (answer.json()["revision"], answer.json()["known_steps"]) == (1, ["incubate", "plate"])


def test_a_commit_out_of_order_names_the_blocking_steps(operator: ApiClient, run: Run) -> None:
    answer = operator.post(path_of(run, "plate"))

    assert problem(answer) == (409, "step-out-of-order")
    assert answer.json()["blocking_steps"] == ["incubate"]


def test_a_second_commit_is_answered_with_the_first(operator: ApiClient, run: Run) -> None:
    first_commit = operator.post(path_of(run, "incubate"), DONE).json()["commit"]

    answer = operator.post(path_of(run, "incubate"), DONE)

    assert problem(answer) == (409, "step-already-committed")
    assert answer.json()["commit"] == first_commit


def test_a_commit_in_a_completed_run_is_answered_with_its_status(operator: ApiClient, run: Run, mkoch: User) -> None:
    commit(run, "incubate", mkoch, **DONE)
    commit(run, "plate", mkoch)

    answer = operator.post(path_of(run, "plate"))

    assert problem(answer) == (409, "run-not-in-progress")
    assert answer.json()["run_status"] == "completed"


def test_a_wrong_commit_is_answered_with_everything_that_is_wrong(operator: ApiClient, run: Run) -> None:
    answer = operator.post(path_of(run, "incubate"), {"values": {"minutes": "60", "x": 1}, "note": 5, "chekclist": {}})

    assert sorted(findings(answer)) == [
        ("/checklist/on_ice", "required_true"),
        ("/chekclist", "unknown"),
        ("/note", "type"),
        ("/values/minutes", "type"),
        ("/values/x", "unknown"),
    ]
    assert (answer.json()["title"], answer.json()["detail"]) == ("The request is not valid", "5 problems")
    assert answer.json()["instance"] == path_of(run, "incubate")
    assert RunEvent.objects.filter(run=run).count() == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('{"minutes": 60.0}', "type"),
        ('{"minutes": "60"}', "type"),
        ('{"minutes": true}', "type"),
        ('{"minutes": null}', "type"),
        ('{"minutes": [60]}', "type"),
        ('{"minutes": 66}', "max"),
        ('{"minutes": 14}', "min"),
        ('{"minutes": -9007199254740991}', "min"),
    ],
)
def test_a_value_with_a_wrong_type_or_size_is_invalid(operator: ApiClient, run: Run, content: str, code: str) -> None:
    answer = operator.post(path_of(run, "incubate"), f'{{"values": {content}, "checklist": {{"on_ice": true}}}}')

    assert findings(answer) == [("/values/minutes", code)]


@pytest.mark.parametrize(
    "content",
    [
        '{"values": {"minutes": 1e999}}',
        '{"values": {"minutes": NaN}}',
        '{"values": {"minutes": 9007199254740992}}',
        '{"values": {"a\\u0000": 1}}',
        '{"values": {"minutes": "\\ud800"}}',
        '{"values": {"minutes": 1, "minutes": 2}}',
        '{"values": {"minutes": ' + "[" * 40 + "]" * 40 + "}}",
        "[]",
    ],
)
def test_a_commit_that_is_not_exact_json_is_malformed(operator: ApiClient, run: Run, content: str) -> None:
    assert problem(operator.post(path_of(run, "incubate"), content)) == (400, "malformed-request")
    assert RunEvent.objects.filter(run=run).count() == 1


@pytest.mark.parametrize("key", ["incubate%0A", "in%00cubate", "%ff", "a%20b", "a/b", ""])
def test_a_step_key_that_is_not_a_slug_is_404(operator: ApiClient, run: Run, key: str) -> None:
    assert problem(operator.post(path_of(run, key), DONE)) == (404, "not-found")


def test_the_run_comes_before_the_step_and_the_body(operator: ApiClient) -> None:
    assert problem(operator.post(f"{NOBODY}/steps/nothing/commit", {"values": 5})) == (404, "run-not-found")


def test_the_step_comes_before_rights_state_and_body(viewer: ApiClient, run: Run, mkoch: User) -> None:
    commit(run, "incubate", mkoch, **DONE)
    commit(run, "plate", mkoch)

    assert problem(viewer.post(path_of(run, "nothing"), {"values": 5})) == (404, "step-not-found")


def test_rights_come_before_state_and_body(viewer: ApiClient, run: Run, mkoch: User) -> None:
    commit(run, "incubate", mkoch, **DONE)

    assert problem(viewer.post(path_of(run, "incubate"), {"values": 5})) == (403, "forbidden")


def test_the_state_comes_before_order_and_repetition(operator: ApiClient, run: Run, mkoch: User) -> None:
    commit(run, "incubate", mkoch, **DONE)
    commit(run, "plate", mkoch)

    assert problem(operator.post(path_of(run, "incubate"), {"values": 5})) == (409, "run-not-in-progress")


def test_order_and_repetition_come_before_the_body(operator: ApiClient, run: Run, mkoch: User) -> None:
    assert problem(operator.post(path_of(run, "plate"), {"values": 5})) == (409, "step-out-of-order")
    commit(run, "incubate", mkoch, **DONE)
    assert problem(operator.post(path_of(run, "incubate"), {"values": 5})) == (409, "step-already-committed")


@pytest.mark.parametrize("client", ["viewer", "author"])
def test_a_person_who_only_reads_runs_can_neither_start_nor_commit(
    request: pytest.FixtureRequest, client: str, run: Run
) -> None:
    reader = request.getfixturevalue(client)

    assert problem(reader.post("/runs", {"procedure": "gibson"})) == (403, "forbidden")
    assert problem(reader.post(path_of(run, "incubate"), DONE)) == (403, "forbidden")
    assert reader.get(f"/runs/{run.pk}").status_code == 200


def test_only_supervisors_commit_a_step_for_supervisors(
    operator: ApiClient, supervisor: ApiClient, mkoch: User
) -> None:
    run = start(mkoch, body(steps=[step("approve", role="supervisor")]))

    refused = operator.post(path_of(run, "approve"))

    assert problem(refused) == (403, "role-required")
    assert refused.json()["role"] == "supervisor"
    assert supervisor.post(path_of(run, "approve")).status_code == 201
