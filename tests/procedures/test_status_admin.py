"""Archiving in the admin and the way back, over HTTP; and what the history tells of a procedure."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client

from access.roles import Role
from procedures import drafts
from procedures.draft_edits import snapshot_of
from procedures.models import Procedure, ProcedureStatus
from rest import exact_json, timestamps
from tests import factories
from tests.conftest import ApiClient
from tests.factories import body, publish

PROCEDURES = "/admin/procedures/procedure/"
ANY = {"If-Match": "*"}
ACTIVE, ARCHIVED = ProcedureStatus.ACTIVE, ProcedureStatus.ARCHIVED


def status_of(procedure: Procedure) -> str:
    procedure.refresh_from_db()
    return procedure.status


def history_of(client: Client, procedure: Procedure) -> list[tuple[str, str]]:
    """Who did what, as the history page shows it."""
    page = client.get(f"{PROCEDURES}{procedure.pk}/history/").text
    rows = re.findall(r'<th scope="row">.*?</th>\s*<td>(.*?)</td>\s*<td>(.*?)</td>', page, re.DOTALL)
    return [(unescape(who.strip()), unescape(what.strip())) for who, what in rows]


@pytest.mark.parametrize(
    ("action", "before", "after"), [("archive", ACTIVE, ARCHIVED), ("reactivate", ARCHIVED, ACTIVE)]
)
def test_a_status_changes_once_a_reason_is_given(admin_client: Client, action: str, before: str, after: str) -> None:
    procedure = publish(body())
    if before == ARCHIVED:
        factories.archive()
    form = {"action": action, "_selected_action": [procedure.pk]}

    asked = admin_client.post(PROCEDURES, form)
    still = status_of(procedure)
    blank = admin_client.post(PROCEDURES, {**form, "reason": " \r\n"})
    done = admin_client.post(PROCEDURES, {**form, "reason": "Because\r\nof <b>."}, follow=True)

    assert "Kept in the history." in asked.text
    assert (still, blank.status_code) == (before, 200)
    assert "errorlist" in blank.text
    assert ": gibson." in done.text
    assert status_of(procedure) == after
    told = history_of(admin_client, procedure)
    assert told[0] == ("(system)", "Published revision 1.")
    assert (told[-1][0], told[-1][1].split(" ", 1)[0]) == ("admin", "Archived." if after == ARCHIVED else "Made")
    assert told[-1][1].endswith("Because\nof <b>.")


def test_the_page_of_a_procedure_has_the_button_that_fits(admin_client: Client) -> None:
    procedure = publish(body())
    active = admin_client.get(f"{PROCEDURES}{procedure.pk}/change/").text
    factories.archive()
    archived = admin_client.get(f"{PROCEDURES}{procedure.pk}/change/").text

    assert ('value="archive"' in active, 'value="reactivate"' in active) == (True, False)
    assert ('value="archive"' in archived, 'value="reactivate"' in archived) == (False, True)


def test_what_has_only_a_draft_cannot_be_archived(admin_client: Client) -> None:
    now = timestamps.now()
    draft_only = Procedure.objects.create(key="draft-only", created_at=now, updated_at=now)

    answer = admin_client.post(
        PROCEDURES, {"action": "archive", "reason": "x", "_selected_action": [draft_only.pk]}, follow=True
    )

    assert "Nothing was archived" in answer.text
    assert status_of(draft_only) == ACTIVE


@pytest.mark.parametrize("action", ["archive", "reactivate"])
def test_staff_without_the_right_are_not_offered_the_action(client: Client, db: None, action: str) -> None:
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="view_procedure"))
    client.force_login(staff)
    procedure = publish(body())
    if action == "reactivate":
        factories.archive()
    before = status_of(procedure)

    page = client.get(PROCEDURES).text
    own_page = client.get(f"{PROCEDURES}{procedure.pk}/change/").text
    answer = client.post(PROCEDURES, {"action": action, "reason": "x", "_selected_action": [procedure.pk]})

    assert f'value="{action}"' not in page + own_page
    assert answer.status_code < 500
    assert status_of(procedure) == before


def test_publishing_a_draft_of_an_archived_procedure_says_that_it_is_active_again(
    admin_client: Client, admin_user: User
) -> None:
    procedure = publish(body())
    draft = drafts.open_draft(procedure=procedure, actor=admin_user, now=timestamps.now())
    factories.archive()
    page = f"/admin/procedures/revision/{draft.pk}/change/"
    form = {"title": "Second", "description": "", "ordering": "strict", "change_note": "", "_publish": "1"}
    steps: dict[str, Any] = {"base": snapshot_of(draft).sealed(), "steps-TOTAL_FORMS": 2, "steps-INITIAL_FORMS": 2}
    for index, step in enumerate(draft.steps.all()):
        steps |= {f"steps-{index}-{name}": getattr(step, name) or "" for name in ("id", "key", "title", "position")}
        steps |= {f"steps-{index}-revision": draft.pk, f"steps-{index}-slots": "[]", f"steps-{index}-checklist": "[]"}

    answer = admin_client.post(page, {**form, **steps}, follow=True)

    assert "Published gibson revision 2. The procedure was archived; it is active again." in answer.text
    assert status_of(procedure) == ACTIVE
    assert ("admin", "Made active again.") in history_of(admin_client, procedure)


def test_the_history_tells_what_came_through_the_api(
    admin_client: Client, author: ApiClient, person: Callable[[Role], User]
) -> None:
    author.post("/procedures", body(tags=["lab"]))
    for _ in range(2):  # the second time, nothing changes
        author.put("/procedures/gibson", body(title="New", tags=["dna"], change_note="Better."), headers=ANY)
    for _ in range(2):
        author.delete("/procedures/gibson", headers=ANY)
    author.put("/procedures/gibson", body(title="New", tags=["dna"]), headers=ANY)

    name = person(Role.AUTHOR).username
    assert history_of(admin_client, Procedure.objects.get()) == [
        (name, "Published revision 1."),
        (name, "Changed the tags from lab to dna."),
        (name, "Published revision 2. Better."),
        (name, "Archived."),
        (name, "Made active again."),
    ]


def test_the_history_tells_what_a_command_imported(admin_client: Client, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(exact_json.dumps({"procedures": [body()]}))

    for _ in range(2):  # the second time, nothing changes
        call_command("import_procedures", str(bundle))

    assert history_of(admin_client, Procedure.objects.get()) == [("(system)", "Published revision 1.")]


def test_a_refused_write_leaves_no_history(admin_client: Client, author: ApiClient) -> None:
    publish(body())

    refused = author.put("/procedures/gibson", body(steps=[factories.step(role="nobody")]), headers=ANY)

    assert refused.status_code == 400
    assert history_of(admin_client, Procedure.objects.get()) == [("(system)", "Published revision 1.")]
