"""Runs in the admin, read-only."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from access.roles import Role
from rest import exact_json
from runs.models import Run
from tests.factories import body, commit, item, publish, slot, start, step

RUNS = "/admin/runs/run/"
STEPS = [
    step(
        slots=[slot("mass", "decimal", unit="g", max=5, out_of_range="deviation"), slot("lot", "text")],
        checklist=[item("ppe")],
    )
]


@pytest.fixture
def run(person: Callable[[Role], User]) -> Run:
    """A completed run."""
    operator = person(Role.OPERATOR)
    run = start(operator, body(steps=STEPS))
    values = {"mass": exact_json.loads("12.50"), "lot": "<b>A</b>"}
    deviations = [{"slot": "mass", "reason": "spilled"}]
    commit(run, "measure", operator, values=values, checklist={"ppe": True}, deviations=deviations, note="ok")
    return run


def test_a_run_shows_what_was_recorded_one_thing_per_line(admin_client: Client, run: Run) -> None:
    page = admin_client.get(f"{RUNS}{run.pk}/change/").text

    assert "<div>Mass: 12.50 g</div>" in page
    assert "<div>Ppe: yes</div>" in page
    assert "<div>Mass deviates: spilled</div>" in page
    assert "<div>note: ok</div>" in page


def test_what_was_recorded_is_escaped(admin_client: Client, run: Run) -> None:
    page = admin_client.get(f"{RUNS}{run.pk}/change/").text

    assert "<div>Lot: &lt;b&gt;A&lt;/b&gt;</div>" in page
    assert "<b>A</b>" not in page


def test_nobody_changes_a_run(admin_client: Client, run: Run) -> None:
    assert admin_client.post(f"{RUNS}{run.pk}/change/", {"title": "Forged"}).status_code == 403
    assert admin_client.get(f"{RUNS}add/").status_code == 403
    assert admin_client.post(f"{RUNS}{run.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_list_of_runs_is_shown(admin_client: Client, run: Run) -> None:
    assert "gibson revision 1" in admin_client.get(RUNS).text


def test_a_year_that_no_date_has_is_a_wrong_filter(admin_client: Client, run: Run) -> None:
    answer = admin_client.get(RUNS, {"started_at__year": "99999"})

    assert (answer.status_code, answer["Location"]) == (302, f"{RUNS}?e=1")


def test_a_word_longer_than_any_title_finds_nothing(admin_client: Client, run: Run) -> None:
    page = admin_client.get(RUNS, {"q": "a" * 3_000}).text

    assert str(run.pk) not in page


def test_a_status_with_a_nul_is_a_wrong_filter(admin_client: Client, run: Run) -> None:
    answer = admin_client.get(f"{RUNS}?status__exact=%00")

    assert (answer.status_code, answer["Location"]) == (302, f"{RUNS}?e=1")


def test_a_supervisor_among_the_staff_sees_the_ledger(client: Client, run: Run, person: Callable[[Role], User]) -> None:
    supervisor = person(Role.SUPERVISOR)
    supervisor.is_staff = True
    supervisor.save()
    client.force_login(supervisor)

    assert "<div>Mass: 12.50 g</div>" in client.get(f"{RUNS}{run.pk}/change/").text


def test_the_page_says_when_to_the_second_and_who_and_with_which_hash(admin_client: Client, run: Run) -> None:
    page = admin_client.get(f"{RUNS}{run.pk}/change/").text

    event = run.events.get(seq=2)
    assert f"{event.recorded_at:%Y-%m-%d %H:%M:%S} UTC" in page
    assert f"<code>{event.hash}</code>" in page
    assert "Measure <code>measure</code>" in page
    assert event.actor_name in page


def test_the_page_has_the_verdict_of_the_chain(admin_client: Client, run: Run) -> None:
    path = f"{RUNS}{run.pk}/change/"
    assert "Whole: the chain of hashes" in admin_client.get(path).text

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE runs_runevent DISABLE TRIGGER event_is_append_only")
        cursor.execute("UPDATE runs_runevent SET note = 'forged' WHERE run_id = %s AND seq = 2", [run.pk])

    assert "event 2 (commit) does not match its hash" in admin_client.get(path).text


@pytest.mark.parametrize(("kind", "content_type"), [("json", "application/json"), ("csv", "text/csv; charset=utf-8")])
def test_a_finished_run_can_be_taken_away_from_its_page(
    admin_client: Client, run: Run, kind: str, content_type: str
) -> None:
    path = f"{RUNS}{run.pk}/export.{kind}"
    assert f'href="{path}"' in admin_client.get(f"{RUNS}{run.pk}/change/").text

    answer = admin_client.get(path)

    assert (answer.status_code, answer["Content-Type"]) == (200, content_type)
    assert run.events.get(seq=2).hash in answer.text


def test_what_cannot_be_exported_is_not_found(admin_client: Client, person: Callable[[Role], User], run: Run) -> None:
    running = start(person(Role.OPERATOR), body("other"))

    assert admin_client.get(f"{RUNS}{running.pk}/export.csv").status_code == 404
    assert admin_client.get(f"{RUNS}{run.pk}/export.exe").status_code == 404
    assert admin_client.get(f"{RUNS}01938c1e-5d00-7000-8000-000000000001/export.csv").status_code == 404


def test_whoever_may_not_see_runs_exports_none(client: Client, run: Run) -> None:
    client.force_login(User.objects.create_user("clerk", is_staff=True))

    assert client.get(f"{RUNS}{run.pk}/export.csv").status_code == 403


@pytest.mark.parametrize("q", ["gibson", "TEST", "{id}", "{beginning}"])
def test_the_list_finds_what_people_know(admin_client: Client, run: Run, q: str) -> None:
    page = admin_client.get(RUNS, {"q": q.format(id=run.pk, beginning=str(run.pk)[:13])})

    assert f"{RUNS}{run.pk}/change/" in page.text


def test_the_list_does_not_find_what_is_not_there(admin_client: Client, run: Run) -> None:
    for q in ("nothing", "'", "a:* | b", "%"):
        assert f"{RUNS}{run.pk}/change/" not in admin_client.get(RUNS, {"q": q}).text


def test_the_list_has_no_link_for_each_procedure(admin_client: Client, run: Run) -> None:
    before = len(admin_client.get(RUNS).content)
    for number in range(20):
        publish(body(f"more-{number}"))

    assert len(admin_client.get(RUNS).content) - before < 100


def test_the_list_is_filtered_by_a_procedure(admin_client: Client, run: Run, person: Callable[[Role], User]) -> None:
    other = start(person(Role.OPERATOR), body("other"))
    procedure = run.revision.procedure_id

    page = admin_client.get(RUNS, {"procedure": str(procedure), "status__exact": "completed"}).text

    assert f"{RUNS}{run.pk}/change/" in page
    assert f"{RUNS}{other.pk}/change/" not in page
    assert '<input type="hidden" name="status__exact" value="completed">' in page
    assert f"{RUNS}{run.pk}/change/" not in admin_client.get(RUNS, {"procedure": "999999"}).text
    assert f"{RUNS}{run.pk}/change/" not in admin_client.get(RUNS, {"procedure": "x\x00"}).text


def test_the_first_runs_of_a_procedure_are_listed_in_either_order_whatever_their_revision_and_state(
    admin_client: Client, run: Run, monkeypatch: pytest.MonkeyPatch, person: Callable[[Role], User]
) -> None:
    monkeypatch.setattr("runs.admin.heads.COUNTED", 2)
    start(person(Role.OPERATOR), body("other"))
    newer = [start(person(Role.OPERATOR), body(title=title)).pk for title in ("Second", "Third")]

    def listed(**more: str) -> list[object]:
        page = admin_client.get(RUNS, {"procedure": str(run.revision.procedure_id), **more})
        return [one.pk for one in page.context["cl"].result_list]

    assert listed() == newer[::-1]
    assert listed(o="5") == [run.pk, newer[0]]
    assert listed(q="gibson") == [run.pk]


def test_a_long_list_is_counted_to_a_thousand(admin_client: Client, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("access.admin_lists.COUNTED", 1)
    start(User.objects.get(username="admin"), body("other"))

    assert admin_client.get(RUNS).context["cl"].result_count == 1
