"""What PostgreSQL does for each request where there is much: it reads what the answer is made of, not whole tables.

Each request is made to a database with many runs, and every statement that it sends is explained.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, reverse

import procedures.urls
import runs.urls
from access.actions import issue_token
from access.roles import Role
from console.reviews import MOST_EVENTS, MOST_RUNS, durations_of_steps, exceptions_since
from procedures.models import Procedure, Revision
from runs.models import Run, RunEvent
from tests.conftest import ApiClient
from tests.factories import body, publish
from tests.scale import Size, fill

pytestmark = pytest.mark.django_db

SIZE = Size(procedures=5_000, steps=3, runs=20_000, events=5)
LARGE_TABLES = {
    "runs_run", "runs_runevent", "runs_runwords", "procedures_procedure", "procedures_revision", "procedures_step",
    "procedures_proceduregrams", "resource_version", "django_admin_log",
}  # fmt: skip
LIMIT = 20
MAX_ROWS = 4_000
"""How many rows one node of a plan may see: more than a page is made of, and much less than there are."""

Plan = dict[str, Any]


@pytest.fixture(scope="module")
def much(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database with many runs, which is gone afterwards."""
    with django_db_blocker.unblock(), transaction.atomic():
        fill(SIZE)
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def person(much: None) -> User:
    """Somebody who may do everything."""
    user = User.objects.create_superuser("root")
    user.groups.add(Group.objects.get(name=Role.ADMIN))
    return user


@pytest.fixture
def client(person: User, redis: object) -> ApiClient:
    """A client of the API."""
    return ApiClient(issue_token(user=person, name="test"))


@pytest.fixture
def staff(person: User, redis: object) -> Client:
    """A browser in which that person is logged in."""
    staff = Client(headers={"Accept": "text/html"})
    staff.force_login(person)
    return staff


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Collect the statements of the block with their parameters."""
    sent: list[tuple[str, Any]] = []

    def remember(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(remember):
        yield sent


def plan_of(sql: str, params: Any) -> Plan:
    """Return what PostgreSQL does for a statement; what reads is carried out."""
    analyze = "ANALYZE, TIMING OFF, " if sql.startswith(("SELECT", "\nSELECT")) else ""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({analyze}FORMAT JSON) {sql}", params)
        (found,) = cursor.fetchone()
    plan: Plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


def nodes_of(plan: Plan) -> Iterator[Plan]:
    """Return the nodes of a plan."""
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes_of(child)


def faults_in(sent: list[tuple[str, Any]]) -> list[str]:
    """Return where the statements look through a large table, or see more rows than they need."""
    faults = []
    for sql, params in sent:
        if not sql.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
            continue
        for node in nodes_of(plan_of(sql, params)):
            seen = (node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)) * node.get("Actual Loops", 1)
            is_whole = node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE_TABLES
            if is_whole or seen > MAX_ROWS:
                faults.append(f"{node['Node Type']} of {node.get('Relation Name')}: {seen:g} rows, for {sql[:1500]}")
    return faults


def old_run(status: str = "completed") -> Run:
    """Return the oldest run with this status."""
    return Run.objects.filter(status=status).order_by("started_at")[0]


BORDER = "2020-01-02T00:00:00Z"
LATER = "2020-01-14T18:00:00Z"
FILTERS = {
    "nothing": "",
    "a rare status": "status=paused",
    "a common status": "status=completed",
    "several states": "status=paused,aborted",
    "all states": "status=completed,paused,aborted,in_progress",
    "a rare procedure": "procedure=large-8",
    "a common procedure": "procedure=large-1",
    "no procedure": "procedure=none-such",
    "a rare status of a common procedure": "procedure=large-1&status=paused",
    "several states of a common procedure": "procedure=large-1&status=paused,aborted",
    "a common reference": "external_ref=REF-7",
    "a rare starter": "started_by={rare}",
    "a common starter": "started_by={common}",
    "whoever asks": "started_by=me",
    "a rare status of a rare starter": "started_by={rare}&status=paused",
    "a rare status of a common starter": "started_by={common}&status=paused",
    "a starter in a procedure": "started_by={common}&procedure=large-1",
    "recently started": f"started_after={LATER}",
    "long ago": f"started_before={BORDER}",
    "between": f"started_after={BORDER}&started_before={LATER}",
    "a status, long ago": f"status=completed&started_before={BORDER}",
    "a procedure, long ago": f"procedure=large-1&started_before={BORDER}",
    "rare words": "q=rare",
    "rare words and a state": "q=run%20rare&status=completed",
    "words that nothing has": "q=unheard-of",
    "a word that nothing has": "q=person",
    "a word that nothing has, in a state": "q=person&status=completed",
    "a rare word in a procedure": "q=rare&procedure=large-1",
    "an old number": "q=777",
    "the beginning of an id": "q={id}",
    "from a cursor on": "cursor={cursor}",
    "a status from a cursor on": "status=completed&cursor={cursor}",
    "a procedure from a cursor on": "procedure=large-1&cursor={cursor}",
}


@pytest.mark.parametrize("query", FILTERS.values(), ids=FILTERS)
def test_a_page_of_runs_reads_what_is_on_it(client: ApiClient, query: str) -> None:
    starters = User.objects.filter(username__startswith="person-").order_by("pk")
    middle = Run.objects.order_by("started_at")[SIZE.runs // 2]
    values = {"rare": starters[0].pk, "common": starters[1].pk, "id": str(middle.pk)[:18], "cursor": middle.pk}

    with statements() as sent:
        answer = client.get(f"/runs?limit={LIMIT}&{query.format(**values)}")

    assert answer.status_code == 200, answer.text
    assert faults_in(sent) == []


def test_words_that_many_runs_have_are_found_on_the_way(client: ApiClient) -> None:
    with statements() as sent:
        assert len(client.get("/runs?q=common").json()["runs"]) == 50

    assert faults_in(sent) == []


@pytest.fixture
def odd(much: None) -> str:
    """The key of a procedure whose title has signs that a pattern or a query could take for something else."""
    return publish(body("odd", title="50 %_off: 'a' & \\ | ß \U0001f9ea", tags=["odd"])).key


FOUND = {
    "the middle of a word": ("q=RGE-4777", "large-4777"),
    "several words": ("q=title%20of%20large-4777", "large-4777"),
    "the end of a text": ("q=-4777", "large-4777"),
    "two characters": ("q=%C3%9F%20", "odd"),
    "a sign of patterns": ("q=%25_o", "odd"),
    "signs of queries": ("q='a'%20%26%20%5C%20%7C", "odd"),
    "a character outside of the first plane": ("q=%F0%9F%A7%AA", "odd"),
    "nothing": ("q=unheard%20of", None),
    "a tag": ("tag=odd", "odd"),
    "a state and a tag": ("status=archived&tag=odd", None),
}
"""Searches of procedures, and what they find."""


@pytest.mark.parametrize(("query", "found"), FOUND.values(), ids=FOUND)
def test_a_search_of_procedures_reads_what_it_finds(client: ApiClient, odd: str, query: str, found: str | None) -> None:
    with statements() as sent:
        answer = client.get(f"/procedures?{query}").json()

    assert [procedure["key"] for procedure in answer] == ([found] if found else [])
    assert faults_in(sent) == []


def test_the_archived_procedures_are_read_alone(client: ApiClient) -> None:
    with statements() as sent:
        assert len(client.get("/procedures?status=archived").json()) == SIZE.procedures // 100

    assert faults_in(sent) == []


READS = {
    "run-detail": "/runs/{run}",
    "run-current": "/runs/{run}/current",
    "run-export-json": "/runs/{run}/export.json",
    "run-export-csv": "/runs/{run}/export.csv",
    "procedure-detail": "/procedures/large-1",
    "revision-list": "/procedures/large-1/revisions",
    "revision-detail": "/procedures/large-1/revisions/1",
}
"""The reads of the API; the list of procedures is whole by its nature; its searches and lists of runs are above."""


def test_every_read_of_the_api_is_here() -> None:
    names = set()
    for pattern in (*procedures.urls.urlpatterns, *runs.urls.urlpatterns):
        view: Any = pattern.callback
        if isinstance(pattern, URLPattern) and "get" in view.actions:
            names.add(pattern.name)

    assert names == {*READS, "run-list", "procedure-list"}


@pytest.mark.parametrize("path", READS.values(), ids=READS)
def test_a_read_of_one_thing_reads_that_thing(client: ApiClient, path: str) -> None:
    with statements() as sent:
        answer = client.get(path.format(run=old_run().pk))

    assert answer.status_code == 200, answer.text
    assert faults_in(sent) == []


def test_the_writes_of_a_run_look_through_no_table(client: ApiClient) -> None:
    with statements() as sent:
        run = client.post("/runs", {"procedure": "large-1"}, headers={"Idempotency-Key": "start"}).json()["id"]
        for path, body in {
            "steps/step-1/commit": {"values": {}, "checklist": {}},
            "steps/step-2/skip": {"reason": "none"},
            "steps/step-1/amend": {"amends": 2, "values": {}, "checklist": {}, "reason": "typo"},
            "pause": {},
            "resume": {},
            "abort": {"reason": "leak"},
        }.items():
            answer = client.post(f"/runs/{run}/{path}", body, headers={"Idempotency-Key": path})
            assert answer.status_code in {200, 201}, answer.text

    assert len(sent) > 50
    assert faults_in(sent) == []


def test_the_writes_of_a_procedure_look_through_no_table(client: ApiClient) -> None:
    with statements() as sent:
        answers = [
            client.post("/procedures", body("fresh", tags=["tag-1"]), headers={"Idempotency-Key": "create"}),
            client.put(
                "/procedures/fresh", body("fresh", title="New"), headers={"Idempotency-Key": "n", "If-Match": "*"}
            ),
            client.delete("/procedures/fresh", headers={"If-Match": "*"}),
        ]
    assert [answer.status_code for answer in answers] == [201, 200, 200]

    assert len(sent) > 40
    assert faults_in(sent) == []


LISTS = {
    "procedures_procedure": [
        "", "q=RGE-4777", "q=large+of+-4777", "q=%27itle+of+large-4777%27", "q=unheard-of", "status__exact=archived",
        "status__exact=active", "tag=tag-7", "tag=none", "tag=tag-100&status__exact=archived", "o=1", "o=-1", "o=6",
        "o=-6", "p=10", "o=2", "all=",
    ],
    "procedures_revision": [
        "", "q=RGE-4777", "q=draft+-4770", "q=unheard-of", "number__isempty=1",
        "number__isempty=0", "number__isempty=1&q=-4770", "o=1", "p=10",
    ],
    "runs_run": [
        "", "q=rare", "q=run+777", "q=REF-1999", "q={run}", "q=person", "q=777", "status__exact=paused", "o=1", "p=10",
        "procedure={common}", "procedure={common}&o=5", "o=5", "o=-5", "procedure={rare}",
        "procedure={common}&status__exact=paused",
        "procedure={rare}&status__exact=completed&q=run", "started_at__gte=2020-01-14+18:00:00Z",
        "started_at__lt=2020-01-02+00:00:00Z", "status__exact=completed&started_at__lt=2020-01-02+00:00:00Z",
    ],
}  # fmt: skip
"""Ways to look at the long lists of the admin."""


def an_id_of_each_kind() -> dict[str, Any]:
    """Return ids to put into paths."""
    keys = {"common": "large-1", "rare": "large-8", "drafted": "large-4770"}
    return {name: Procedure.objects.get(key=key).pk for name, key in keys.items()} | {
        "run": old_run().pk,
        "published": Revision.objects.get(procedure__key="large-4777", number=2).pk,
        "draft": Revision.objects.get(procedure__key="large-4770", number=None).pk,
        "person": User.objects.get(username="person-2").pk,
    }


@pytest.mark.parametrize(("model", "query"), [(model, query) for model, ways in LISTS.items() for query in ways])
def test_a_list_of_the_admin_reads_what_it_shows(staff: Client, model: str, query: str) -> None:
    path = f"{reverse(f'admin:{model}_changelist')}?{query.format(**an_id_of_each_kind())}"
    with statements() as sent:
        page = staff.get(path)

    assert page.status_code == 200
    assert ("large-4777" in page.text) == ("4777" in query)
    assert faults_in(sent) == []


@pytest.mark.parametrize("model", [model._meta.label_lower for model in admin.site._registry])
def test_every_list_of_the_admin_looks_through_no_large_table(staff: Client, model: str) -> None:
    with statements() as sent:
        answer = staff.get(reverse(f"admin:{model.replace('.', '_')}_changelist"))

    assert answer.status_code == 200
    assert faults_in(sent) == []


CHOICES = "/admin/autocomplete/?app_label=procedures&model_name=revision&field_name=procedure"
PAGES = {
    "home of the admin": "/admin/",
    "an app's part of the admin": "/admin/procedures/",
    "a procedure in the admin": "/admin/procedures/procedure/{drafted}/change/",
    "a procedure's history": "/admin/procedures/procedure/{drafted}/history/",
    "a published revision in the admin": "/admin/procedures/revision/{published}/change/",
    "a revision's history": "/admin/procedures/revision/{published}/history/",
    "a draft in the admin": "/admin/procedures/revision/{draft}/change/",
    "a draft, before it is deleted": "/admin/procedures/revision/{draft}/delete/",
    "a run in the admin": "/admin/runs/run/{run}/change/",
    "a run's history": "/admin/runs/run/{run}/history/",
    "a run's export from the admin": "/admin/runs/run/{run}/export.csv",
    "a person": "/admin/auth/user/{person}/change/",
    "a person's history": "/admin/auth/user/{person}/history/",
    "a new token": "/admin/access/apitoken/add/",
    "the procedures to choose from": f"{CHOICES}&term=",
    "more of the procedures to choose from": f"{CHOICES}&term=&page=7",
    "the procedures to choose from by a text": f"{CHOICES}&term=rge-47",
    "the people to choose from": "/admin/autocomplete/?app_label=access&model_name=apitoken&field_name=user&term=per",
    "home": "/",
    "home with a search": "/?q=RGE-47",
    "home with a search for nothing": "/?q=unheard-of",
    "home with a tag": "/?tag=tag-7",
    "home with a tag and a search": "/?tag=tag-7&q=large-7",
    "a procedure": "/console/procedures/large-1",
    "the revisions of a procedure": "/console/procedures/large-1/revisions",
    "a draft": "/console/drafts/{draft}",
    "a run": "/console/runs/{run}",
    "the part of a run that changes": "/console/runs/{run}/live",
    "the record of a run": "/console/runs/{run}/record",
    "the wall": "/wall",
    "the review": "/console/review",
    "the review of a procedure": "/console/review?procedure=large-1&days=30",
    "the cache": "/console/cache",
}


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("reader", ["root", "person-2"])
def test_a_page_reads_what_it_shows(staff: Client, reader: str, path: str) -> None:
    """The other reader is who has started and done the most."""
    User.objects.filter(username=reader).update(is_staff=True, is_superuser=True)
    staff.force_login(User.objects.get(username=reader))
    with statements() as sent:
        page = staff.get(path.format(**an_id_of_each_kind()))

    assert page.status_code == 200
    assert len(sent) > 2  # more than who asks
    assert faults_in(sent) == []


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_the_review_of_a_time_in_which_much_was_done_reads_what_it_shows(much: None) -> None:
    with statements() as sent:
        assert len(exceptions_since(LONG_AGO)) == MOST_EVENTS
        assert [step.count for step in durations_of_steps("large-1", LONG_AGO)] == [MOST_RUNS] * SIZE.steps

    assert faults_in(sent) == []


def test_whoever_has_done_much_is_told_to_stay_without_a_look_at_all_of_it(staff: Client) -> None:
    person = User.objects.get(username="person-3")
    with statements() as sent:
        alone = staff.get(f"/admin/auth/user/{person.pk}/delete/")
        together = staff.post("/admin/auth/user/", {"action": "delete_selected", "_selected_action": [person.pk]})

    assert alone.status_code == 403
    assert "what person-3 has done" in together.text
    assert faults_in(sent) == []


def test_a_statement_that_looks_through_a_table_is_noticed(much: None) -> None:
    with statements() as sent:
        assert RunEvent.objects.filter(note="x").first() is None
        assert len(list(Run.objects.order_by("started_at")[: 2 * MAX_ROWS])) == 2 * MAX_ROWS

    assert [fault.split(",")[0] for fault in faults_in(sent)] != []
    assert SIZE.events * SIZE.runs == RunEvent.objects.count()
