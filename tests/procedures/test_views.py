"""Procedures over HTTP: shapes, problems, and what stays unchanged."""

from typing import Any

import pytest

from procedures.models import Procedure, Revision
from rest import timestamps
from tests.answers import findings, problem
from tests.conftest import ApiClient
from tests.factories import body, item, publish, slot, start, step

ANY_VERSION = {"If-Match": "*"}


def put(client: ApiClient, key: str, content: Any) -> Any:
    return client.put(f"/procedures/{key}", content, headers=ANY_VERSION)


def archive(client: ApiClient, key: str = "gibson") -> Any:
    return client.delete(f"/procedures/{key}", headers=ANY_VERSION)


def test_the_list_is_an_array_of_active_procedures_with_their_steps_ordered_by_key(viewer: ApiClient) -> None:
    for key in ("lockout", "gibson", "gibson-2"):
        publish(body(key))

    answer = viewer.get("/procedures")

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert [procedure["key"] for procedure in answer.json()] == ["gibson", "gibson-2", "lockout"]
    assert [item["key"] for item in answer.json()[0]["steps"]] == ["measure", "incubate"]


def test_the_list_of_no_procedures_is_empty(viewer: ApiClient) -> None:
    assert viewer.get("/procedures").content == b"[]"


def test_an_item_has_exactly_the_documented_members(viewer: ApiClient) -> None:
    slots = [slot("minutes", "integer", unit="min", min=15, max=65, out_of_range="deviation")]
    steps = [step("incubate", slots=slots, checklist=[item("on_ice")], expected_duration_s=3600)]
    procedure = publish(body(steps=steps, tags=["lab"], description="About.", change_note="Not shown."))

    answer = viewer.get("/procedures/gibson")

    assert answer.json() == {
        "key": "gibson",
        "revision": 1,
        "status": "active",
        "title": "Gibson",
        "description": "About.",
        "ordering": "strict",
        "tags": ["lab"],
        "updated_at": timestamps.to_wire(procedure.updated_at),
        "steps": [
            {
                "key": "incubate",
                "title": "Incubate",
                "instructions": "",
                "caution": None,
                "role": None,
                "skippable": False,
                "expected_duration_s": 3600,
                "slots": slots,
                "checklist": [item("on_ice")],
            }
        ],
    }


def test_an_item_is_the_lists_item(viewer: ApiClient) -> None:
    publish(body())

    assert viewer.get("/procedures").json() == [viewer.get("/procedures/gibson").json()]


@pytest.mark.parametrize("path", ["/procedures", "/procedures/gibson"])
def test_a_client_may_keep_an_answer_but_must_revalidate_it(viewer: ApiClient, path: str) -> None:
    publish(body())

    answer = viewer.get(path)

    assert answer["Cache-Control"] == "private, no-cache"
    assert {"Authorization", "Accept", "Accept-Encoding"} <= set(answer["Vary"].split(", "))


def test_a_procedure_with_only_a_draft_is_invisible(viewer: ApiClient, author: ApiClient) -> None:
    now = timestamps.now()
    draft_only = Procedure.objects.create(key="gibson", created_at=now, updated_at=now)
    Revision.objects.create(procedure=draft_only, title="Gibson", created_at=now)

    assert viewer.get("/procedures").json() == []
    for path in ("/procedures/gibson", "/procedures/gibson/revisions", "/procedures/gibson/revisions/1"):
        assert problem(viewer.get(path)) == (404, "procedure-not-found")
    assert problem(put(author, "gibson", body())) == (404, "procedure-not-found")
    assert problem(archive(author)) == (404, "procedure-not-found")
    taken = author.post("/procedures", body())
    assert problem(taken) == (409, "procedure-key-taken")
    assert taken.json()["detail"] == "A draft has it: publish that in the admin."  # PUT would be 404


def test_post_publishes_revision_1_and_answers_the_item(author: ApiClient, viewer: ApiClient) -> None:
    answer = author.post("/procedures", body(tags=["lab"]))

    assert (answer.status_code, answer["Location"]) == (201, "/procedures/gibson")
    assert answer.json()["revision"] == 1
    assert answer.json() == viewer.get("/procedures/gibson").json()


def test_post_of_a_key_in_use_is_a_conflict(author: ApiClient) -> None:
    publish(body())

    assert problem(author.post("/procedures", body(title="Other"))) == (409, "procedure-key-taken")


def test_post_of_an_archived_key_is_a_conflict(author: ApiClient) -> None:
    publish(body())
    archive(author)

    assert problem(author.post("/procedures", body())) == (409, "procedure-key-taken")


def test_post_reports_everything_that_is_wrong(author: ApiClient) -> None:
    answer = author.post("/procedures", {"key": "No", "steps": [step(), 1], "stpes": []})

    assert sorted(findings(answer)) == [
        ("/key", "slug"),
        ("/steps/1", "invalid"),
        ("/stpes", "unknown"),
        ("/title", "required"),
    ]
    assert answer.json()["detail"] == "4 problems"
    assert not Procedure.objects.exists()


def test_post_refuses_a_role_that_is_not_a_group(author: ApiClient) -> None:
    answer = author.post("/procedures", body(steps=[step("a"), step("b", role="wizard")]))

    assert findings(answer) == [("/steps/1/role", "unknown_role")]
    assert not Procedure.objects.exists()


def test_put_publishes_the_next_revision(author: ApiClient, viewer: ApiClient) -> None:
    publish(body())

    answer = put(author, "gibson", body(title="Better"))

    assert (answer.status_code, answer.json()["revision"], answer.json()["title"]) == (200, 2, "Better")
    assert answer.json() == viewer.get("/procedures/gibson").json()


def test_put_needs_no_key_in_the_body(author: ApiClient) -> None:
    publish(body())
    content = body(title="Better")
    del content["key"]

    assert put(author, "gibson", content).json()["revision"] == 2


def test_what_get_returned_can_be_put_back_and_changes_nothing(author: ApiClient) -> None:
    slots = [
        slot("mass", "decimal", min=0.5, max=12.50, decimals=3),
        slot("verdict", "choice", options=[{"value": "a", "label": "A"}]),
    ]
    publish(body(steps=[step(slots=[{**slots[0], "min": 1, "max": 2}, slots[1]], checklist=[item("on_ice")])]))
    shown = author.get("/procedures/gibson")

    answer = put(author, "gibson", shown.content)

    assert answer.status_code == 200
    assert answer.content == shown.content
    assert Revision.objects.count() == 1


def test_put_ignores_read_only_members(author: ApiClient) -> None:
    publish(body())

    answer = put(author, "gibson", body(title="Better", revision=99, status="archived", updated_at="never"))

    assert (answer.json()["revision"], answer.json()["status"]) == (2, "active")


@pytest.mark.parametrize("key", ["lockout", "Gibson", 5, None])
def test_put_with_another_key_than_the_paths_is_invalid(author: ApiClient, key: object) -> None:
    publish(body())

    answer = put(author, "gibson", body(title="Better") | {"key": key})

    assert [place for place, _ in findings(answer)] == ["/key"]
    assert Revision.objects.count() == 1


def test_put_of_an_unknown_procedure_is_404_even_if_the_body_is_wrong(author: ApiClient) -> None:
    assert problem(put(author, "nothing", {"key": 5})) == (404, "procedure-not-found")


def test_put_of_an_invalid_definition_changes_nothing(author: ApiClient) -> None:
    publish(body())

    assert findings(put(author, "gibson", body(steps=[]) | {"steps": []})) == [("/steps", "min_length")]
    assert Revision.objects.count() == 1


def test_put_makes_an_archived_procedure_active_again(author: ApiClient, viewer: ApiClient) -> None:
    publish(body())
    archive(author)

    answer = put(author, "gibson", body())

    assert (answer.json()["status"], answer.json()["revision"]) == ("active", 1)
    assert len(viewer.get("/procedures").json()) == 1


def test_delete_archives_and_can_be_repeated(author: ApiClient, viewer: ApiClient) -> None:
    publish(body())

    answer = archive(author)
    again = archive(author)

    assert (answer.status_code, answer.json()["status"]) == (200, "archived")
    assert (again.status_code, again.content) == (200, answer.content)
    assert viewer.get("/procedures").json() == []
    assert viewer.get("/procedures/gibson").json()["status"] == "archived"


@pytest.mark.django_db(transaction=True)  # in one transaction a version is bumped once
def test_delete_can_be_repeated_with_the_version_that_it_was_based_on(author: ApiClient) -> None:
    publish(body())
    etag = put(author, "gibson", body())["ETag"]

    answers = [author.delete("/procedures/gibson", headers={"If-Match": etag}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert answers[0]["ETag"] == answers[1]["ETag"] != etag


@pytest.mark.django_db(transaction=True)  # in one transaction a version is bumped once
def test_delete_based_on_another_version_archives_nothing(author: ApiClient) -> None:
    publish(body())
    etag = put(author, "gibson", body())["ETag"]
    put(author, "gibson", body(title="Better"))

    answer = author.delete("/procedures/gibson", headers={"If-Match": etag})

    assert problem(answer) == (412, "version-mismatch")
    assert author.get("/procedures/gibson").json()["status"] == "active"


def test_delete_of_an_archived_procedure_needs_the_right_and_a_precondition(
    author: ApiClient, viewer: ApiClient
) -> None:
    publish(body())
    archive(author)

    assert problem(archive(viewer)) == (403, "forbidden")
    assert problem(author.delete("/procedures/gibson")) == (428, "precondition-required")


def test_delete_of_an_unknown_procedure_is_404(author: ApiClient) -> None:
    assert problem(archive(author, "nothing")) == (404, "procedure-not-found")


def test_a_procedure_is_found_by_its_exact_key(viewer: ApiClient) -> None:
    publish(body())

    assert problem(viewer.get("/procedures/Gibson")) == (404, "procedure-not-found")
    assert problem(viewer.get("/procedures/gib")) == (404, "procedure-not-found")


def test_the_revisions_are_listed_newest_first_without_their_steps(viewer: ApiClient) -> None:
    publish(body(title="First", change_note="New."))
    procedure = publish(body(title="Second", change_note="Better."))
    revision = procedure.current_revision

    answer = viewer.get("/procedures/gibson/revisions")

    assert [head["revision"] for head in answer.json()["revisions"]] == [2, 1]
    assert answer.json()["next"] is None
    assert answer.json()["revisions"][0] == {
        "revision": 2,
        "title": "Second",
        "change_note": "Better.",
        "content_sha256": revision.content_sha256,
        "published_at": timestamps.to_wire(procedure.updated_at),
    }


def test_a_draft_is_not_among_the_revisions(viewer: ApiClient) -> None:
    procedure = publish(body())
    Revision.objects.create(procedure=procedure, title="Draft", created_at=timestamps.now())

    assert len(viewer.get("/procedures/gibson/revisions").json()["revisions"]) == 1


def test_the_revisions_come_in_pages_of_fifty(viewer: ApiClient) -> None:
    procedure = publish(body())
    now = timestamps.now()
    Revision.objects.bulk_create(
        Revision(procedure=procedure, number=number, title="R", created_at=now, published_at=now)
        for number in range(2, 52)
    )

    page = viewer.get("/procedures/gibson/revisions").json()
    rest = viewer.get(page["next"]).json()

    assert [head["revision"] for head in page["revisions"]] == list(range(51, 1, -1))
    assert page["next"] == "/procedures/gibson/revisions?before=2"
    assert [head["revision"] for head in rest["revisions"]] == [1]
    assert rest["next"] is None


@pytest.mark.parametrize("before", ["0", "-1", "x", ""])
def test_a_wrong_place_among_the_revisions_is_refused(viewer: ApiClient, before: str) -> None:
    publish(body())

    assert [place for place, _ in findings(viewer.get(f"/procedures/gibson/revisions?before={before}"))] == ["/before"]


def test_a_revision_is_shown_whole_and_may_be_kept_forever(viewer: ApiClient) -> None:
    first_revision = publish(body(title="First", steps=[step("a")])).current_revision
    publish(body(title="Second"))

    answer = viewer.get("/procedures/gibson/revisions/1")

    assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
    assert "Authorization" in answer["Vary"]
    content = answer.json()
    assert [item["key"] for item in content.pop("steps")] == ["a"]
    assert content == {
        "key": "gibson",
        "revision": 1,
        "based_on": None,
        "title": "First",
        "description": "",
        "ordering": "strict",
        "change_note": "",
        "content_sha256": first_revision.content_sha256,
        "published_at": content["published_at"],
    }


def test_a_revision_says_what_it_is_based_on(viewer: ApiClient) -> None:
    publish(body(title="First"))
    publish(body(title="Second"))

    assert viewer.get("/procedures/gibson/revisions/2").json()["based_on"] == 1


@pytest.mark.parametrize("number", ["0", "2", "9" * 30])
def test_a_revision_that_does_not_exist_is_404(viewer: ApiClient, number: str) -> None:
    publish(body())

    assert problem(viewer.get(f"/procedures/gibson/revisions/{number}")) == (404, "revision-not-found")


def test_a_filter_is_taken_as_it_is_written(viewer: ApiClient) -> None:
    publish(body("gibson", tags=["lab"]))

    found = [viewer.get("/procedures", {"tag": tag}).json() for tag in ("lab", " lab", "lab\n")]

    assert list(map(len, found)) == [1, 0, 0]
    assert [len(viewer.get("/procedures", {"q": text}).json()) for text in ("gib", " gib")] == [1, 0]


@pytest.mark.parametrize("number", ["01", "00", "+1", "1.0"])
def test_a_revision_has_one_url(viewer: ApiClient, number: str) -> None:
    publish(body())

    assert problem(viewer.get(f"/procedures/gibson/revisions/{number}")) == (404, "not-found")


def test_a_revision_of_an_unknown_procedure_is_404(viewer: ApiClient) -> None:
    assert problem(viewer.get("/procedures/nothing/revisions/1")) == (404, "procedure-not-found")


def test_an_archived_procedure_keeps_its_revisions_and_runs_readable(
    author: ApiClient, viewer: ApiClient, person: Any
) -> None:
    run = start(person("operator"), body())

    archive(author)

    assert viewer.get("/procedures/gibson/revisions/1").status_code == 200
    assert viewer.get(f"/runs/{run.pk}").json()["status"] == "in_progress"


def test_a_later_revision_changes_no_earlier_one(author: ApiClient, viewer: ApiClient) -> None:
    publish(body(title="First"))
    before = viewer.get("/procedures/gibson/revisions/1").content

    put(author, "gibson", body(title="Second", tags=["new"]))

    assert viewer.get("/procedures/gibson/revisions/1").content == before


def test_archived_procedures_are_listed_for_whoever_asks_for_them(viewer: ApiClient, author: ApiClient) -> None:
    publish(body("kept"))
    publish(body("gone"))
    archive(author, "gone")

    assert [one["key"] for one in viewer.get("/procedures").json()] == ["kept"]
    assert [one["key"] for one in viewer.get("/procedures?status=active").json()] == ["kept"]
    archived = viewer.get("/procedures?status=archived")
    assert [(one["key"], one["status"]) for one in archived.json()] == [("gone", "archived")]
    assert "ETag" not in archived
    assert viewer.get("/procedures?status=archived&q=kept").json() == []


def test_what_filters_select_is_as_it_is_in_the_list(viewer: ApiClient) -> None:
    for number, key in enumerate(["second", "first", "other"]):
        publish(body(key, title=f"Title {number} Ω", tags=["blue"] if key == "other" else ["red"]))

    chosen = viewer.get("/procedures?tag=red")

    assert chosen["Content-Type"] == "application/json"
    assert (
        chosen.content
        == b"[" + b",".join(viewer.get(f"/procedures/{key}").content for key in ("first", "second")) + b"]"
    )
    assert viewer.get("/procedures?tag=green").content == b"[]"


@pytest.mark.parametrize("status", ["", "draft", "archived,active"])
def test_a_status_that_procedures_do_not_have_is_refused(viewer: ApiClient, status: str) -> None:
    answer = viewer.get(f"/procedures?status={status}")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/status")
