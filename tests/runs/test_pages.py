"""Pages of runs: newest first, filtered, and each run on exactly one of them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.exceptions import ValidationError

from access.roles import Role
from rest import timestamps
from runs.actions import pause_run, start_run
from runs.pages import RunListParameters, page_of_runs
from runs.submissions import StartSubmission
from tests.conftest import ApiClient
from tests.factories import body, commit, publish, start, step, verb_request


def asked(**parameters: str) -> tuple[list[UUID], UUID | None]:
    """The ids on the page that the query parameters ask for, and the cursor of the next."""
    declared = RunListParameters(data=parameters)
    declared.is_valid(raise_exception=True)
    page = page_of_runs(declared.validated_data)
    return [record.run.pk for record in page.heads], page.next_cursor


def several(count: int, mkoch: User) -> list[UUID]:
    """Start runs, and return their ids, newest first."""
    return [start(mkoch).pk for _ in range(count)][::-1]


def test_the_newest_run_comes_first(mkoch: User) -> None:
    ids = several(3, mkoch)

    assert asked() == (ids, None)


def test_following_the_cursors_meets_each_run_once(mkoch: User) -> None:
    ids = several(5, mkoch)

    met: list[UUID] = []
    cursor: dict[str, str] = {}
    sizes = []
    while True:
        page, following = asked(limit="2", **cursor)
        met += page
        sizes.append(len(page))
        if following is None:
            break
        cursor = {"cursor": str(following)}

    assert met == ids
    assert sizes == [2, 2, 1]


def test_a_page_that_is_just_full_is_the_last(mkoch: User) -> None:
    ids = several(2, mkoch)

    assert asked(limit="2") == (ids, None)


def test_a_run_started_meanwhile_shifts_no_page(mkoch: User) -> None:
    ids = several(3, mkoch)
    page, following = asked(limit="2")

    several(2, mkoch)

    assert page + asked(limit="2", cursor=str(following))[0] == ids


def test_runs_are_filtered_by_status(mkoch: User) -> None:
    open_run, completed_run = start(mkoch, body("a", [step("only")])), start(mkoch, body("b", [step("only")]))
    commit(completed_run, "only", mkoch)

    assert asked(status="in_progress") == ([open_run.pk], None)
    assert asked(status="completed") == ([completed_run.pk], None)
    assert asked(status="aborted") == ([], None)


def test_runs_are_filtered_by_procedure_whatever_the_revision(mkoch: User) -> None:
    old_run = start(mkoch, body("gibson", title="First"))
    new_run = start(mkoch, body("gibson", title="Second"))
    start(mkoch, body("lockout"))

    assert asked(procedure="gibson") == ([new_run.pk, old_run.pk], None)
    assert asked(procedure="nothing") == ([], None)


def test_runs_are_filtered_by_the_exact_reference(mkoch: User) -> None:
    publish(body())
    run = start_run(
        submission=StartSubmission("gibson", external_ref="ELN-1"), actor=mkoch, now=timestamps.now()
    ).event.run

    assert asked(external_ref="ELN-1") == ([run.pk], None)
    assert asked(external_ref="eln-1") == ([], None)
    assert asked(external_ref="ELN") == ([], None)


def test_runs_are_filtered_by_when_they_started(mkoch: User) -> None:
    earlier_run, later_run = start(mkoch), start(mkoch)
    border = earlier_run.started_at.isoformat()

    assert earlier_run.pk not in asked(started_after=border)[0]
    assert asked(started_after="2000-01-01T00:00:00Z")[0] == [later_run.pk, earlier_run.pk]
    assert asked(started_after="2999-01-01T00:00:00Z")[0] == []
    assert asked(started_after="2999-01-01T00:00:00.000+14:00")[0] == []


def test_several_states_are_asked_for_at_once(mkoch: User) -> None:
    plain = [step("only")]
    runs = [start(mkoch, body(key, plain)) for key in ("a", "b", "c")]
    pause_run(request=verb_request(runs[0], mkoch))
    commit(runs[2], "only", mkoch)

    assert asked(status="paused,in_progress") == ([runs[1].pk, runs[0].pk], None)
    assert asked(status="completed,completed") == ([runs[2].pk], None)


def test_runs_are_filtered_by_who_started_them(mkoch: User, person: Callable[[Role], User]) -> None:
    run, other = start(mkoch), start(person(Role.SUPERVISOR))

    assert asked(started_by=str(mkoch.pk)) == ([run.pk], None)
    assert asked(started_by=str(other.started_by_id)) == ([other.pk], None)
    assert asked(started_by="999999999") == ([], None)


@pytest.mark.django_db(transaction=True)
def test_whoever_asks_can_ask_for_their_own_runs(operator: ApiClient, viewer: ApiClient, mkoch: User) -> None:
    run = start(mkoch)

    assert [run["id"] for run in operator.get("/runs?started_by=me").json()["runs"]] == [str(run.pk)]
    assert viewer.get("/runs?started_by=me").json()["runs"] == []


def test_runs_are_filtered_by_an_interval(mkoch: User) -> None:
    runs = [start(mkoch) for _ in range(3)]
    first, _, last = (run.started_at.isoformat() for run in runs)

    assert runs[2].pk not in asked(started_before=last)[0]
    assert asked(started_before=last, started_after=first)[0] in ([], [runs[1].pk])
    assert asked(started_before="2000-01-01T00:00:00Z") == ([], None)


@pytest.fixture(params=["few", "many"])
def _either_way(request: pytest.FixtureRequest, db: None) -> None:
    """Look for words as where few runs have them, and as where many do, which is how small tables are taken."""
    if request.param == "few":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")


def titled(mkoch: User, title: str, external_ref: str | None = None) -> UUID:
    """Start a run with a title, and return its id."""
    publish(body())
    submission = StartSubmission("gibson", title=title, external_ref=external_ref)
    return start_run(submission=submission, actor=mkoch, now=timestamps.now()).event.run_id


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize(
    "q",
    [
        "Cloning",
        "cloning",
        "CLON",
        "clon pUC19",
        "puc19",
        "ELN",
        "2026",
        "eln-2026/42",
        "42",
        "Ångström",
        "ångs",
        "test",
    ],
)
def test_runs_are_found_by_the_beginnings_of_their_words(mkoch: User, q: str) -> None:
    run = titled(mkoch, "Cloning of pUC19 (Ångström)", "ELN-2026/42")
    titled(mkoch, "Another thing") if q != "test" else None

    assert asked(q=q) == ([run], None)


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("q", ["loning", "cloning puc18", "eln-2025", "gibson2", "' | '", "a:*", "\\", "%", "c_oning"])
def test_runs_without_the_words_are_not_found(mkoch: User, q: str) -> None:
    titled(mkoch, "Cloning of pUC19", "ELN-2026/42")

    if any(character.isalnum() for character in q):
        assert asked(q=q) == ([], None)
    else:
        with pytest.raises(ValidationError):
            asked(q=q)


@pytest.mark.usefixtures("_either_way")
def test_runs_are_found_by_who_started_them(person: Callable[[Role], User]) -> None:
    ada = person(Role.OPERATOR)
    ada.first_name, ada.last_name = "Ada", "Lovelace"
    run = titled(ada, "Engine")

    assert asked(q="lovelace ada") == ([run], None)


@pytest.mark.usefixtures("_either_way")
def test_runs_are_found_by_the_beginning_of_their_id(mkoch: User) -> None:
    run = titled(mkoch, "Engine")
    text = str(run)

    for beginning in (text, text.upper(), text.replace("-", ""), text[:8], text[:9], text[:20]):
        assert run in asked(q=beginning)[0], beginning
    assert asked(q=text[:-1] + ("0" if text[-1] != "0" else "1")) == ([], None)
    assert asked(q=text[:7]) == ([], None)


@pytest.mark.usefixtures("_either_way")
def test_pages_of_combined_filters_meet_each_run_once(mkoch: User) -> None:
    plain = [step("only")]
    runs = [start(mkoch, body(title=f"Edition {number // 2}", steps=plain)) for number in range(6)]
    for run in runs[:3]:
        commit(run, "only", mkoch)
    pause_run(request=verb_request(runs[5], mkoch))
    filters = {"procedure": "gibson", "status": "completed,in_progress", "started_by": str(mkoch.pk), "q": "gib"}
    filters["q"] = "edition" if "edition" in runs[0].title.lower() else runs[0].title.split()[0]

    met: list[UUID] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page, following = asked(limit="2", **filters, **cursor)
        met += page
        cursor = {"cursor": str(following)}

    assert (met, following) == ([run.pk for run in runs[4::-1]], None)


def test_a_cursor_that_is_not_a_run_leads_to_no_page(mkoch: User) -> None:
    several(2, mkoch)

    assert asked(cursor="00000000-0000-7000-8000-000000000000") == ([], None)


def test_filters_are_combined(mkoch: User) -> None:
    wanted_run = start(mkoch, body("gibson"))
    start(mkoch, body("lockout"))

    assert asked(status="in_progress", procedure="gibson", started_after="2000-01-01T00:00:00Z") == (
        [wanted_run.pk],
        None,
    )


def test_a_page_takes_three_statements_however_many_runs_it_has(mkoch: User, django_assert_num_queries: Any) -> None:
    several(5, mkoch)

    with django_assert_num_queries(3):
        asked()


@pytest.mark.django_db(transaction=True)  # the list takes a snapshot of its own
def test_the_next_page_is_a_url_that_keeps_the_filters(viewer: ApiClient, mkoch: User) -> None:
    ids = several(3, mkoch)

    page = viewer.get("/runs?limit=2&procedure=gibson").json()
    following = viewer.get(page["next"]).json()

    assert [run["id"] for run in page["runs"]] == [str(pk) for pk in ids[:2]]
    assert page["next"] == f"/runs?limit=2&procedure=gibson&cursor={ids[1]}"
    assert [run["id"] for run in following["runs"]] == [str(ids[2])]
    assert page["next_cursor"] == str(ids[1])
    assert (following["next"], following["next_cursor"]) == (None, None)


@pytest.mark.django_db(transaction=True)
def test_a_head_in_the_list_has_exactly_the_documented_members(viewer: ApiClient, mkoch: User) -> None:
    run = start(mkoch)

    (head,) = viewer.get("/runs").json()["runs"]
    detail = viewer.get(f"/runs/{run.pk}").json()

    assert head == {name: value for name, value in detail.items() if name not in {"steps", "commits", "status_changes"}}


@pytest.mark.django_db(transaction=True)
def test_fifty_runs_are_a_page_unless_asked_otherwise(viewer: ApiClient, mkoch: User) -> None:
    publish(body())
    several(51, mkoch)

    assert len(viewer.get("/runs").json()["runs"]) == 50
    assert len(viewer.get("/runs?limit=200").json()["runs"]) == 51


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("status=running", "/status"),
        ("status=", "/status"),
        ("status=paused,", "/status"),
        ("status=paused,running", "/status"),
        ("status=paused%20,completed", "/status"),
        ("started_by=", "/started_by"),
        ("started_by=Me", "/started_by"),
        ("started_by=0", "/started_by"),
        ("started_by=-1", "/started_by"),
        ("started_by=9999999999", "/started_by"),
        ("started_by=%C2%B2", "/started_by"),
        ("started_before=tomorrow", "/started_before"),
        ("q=", "/q"),
        ("q=%20", "/q"),
        ("q=--", "/q"),
        ("q=%00", "/q"),
        ("q=" + "+".join("abcdefghi"), "/q"),
        ("q=" + "a" * 201, "/q"),
        ("procedure=../x", "/procedure"),
        ("procedure=%00", "/procedure"),
        ("external_ref=", "/external_ref"),
        ("external_ref=%00", "/external_ref"),
        ("started_after=yesterday", "/started_after"),
        ("started_after=2026-01-01", "/started_after"),
        ("started_after=2026-01-01T00:00:00", "/started_after"),
        ("started_after=2026-01-01+00:00:00Z", "/started_after"),
        ("started_after=2026-01-01T00:00Z", "/started_after"),
        ("started_after=9999-12-31T23:59:59-23:59", "/started_after"),
        ("started_after=0001-01-01T00:00:00%2B14:00", "/started_after"),
        ("cursor=1", "/cursor"),
        ("cursor=%00", "/cursor"),
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=1.5", "/limit"),
        ("limit=many", "/limit"),
        ("limit=" + "9" * 5000, "/limit"),
    ],
)
def test_a_parameter_with_a_wrong_value_is_invalid(viewer: ApiClient, query: str, pointer: str) -> None:
    answer = viewer.get(f"/runs?{query}")

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/validation-failed")
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}


def test_an_unknown_filter_is_refused_with_those_that_are_known(viewer: ApiClient) -> None:
    answer = viewer.get("/runs?sttus=completed")

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/unknown-parameter")
    assert answer.json()["known"] == [
        "cursor", "external_ref", "limit", "procedure", "q", "started_after", "started_before", "started_by", "status",
    ]  # fmt: skip


def test_a_filter_given_twice_is_refused(viewer: ApiClient) -> None:
    answer = viewer.get("/runs?status=paused&status=completed")

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-request")
