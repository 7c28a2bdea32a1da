"""A draft as operators will see it, and what one revision changed to another."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from access.roles import Role
from procedures import drafts
from procedures.models import Procedure, Revision
from rest import timestamps
from tests.console.conftest import STEPS, Browser
from tests.factories import body, item, publish, slot, step

REVISIONS = "/console/procedures/mixing/revisions"


@pytest.fixture
def draft(person: Callable[[Role], User]) -> Revision:
    """A draft of the mixing procedure, as it is published."""
    procedure = publish(body("mixing", steps=STEPS, title="Mixing"))
    return drafts.open_draft(procedure=procedure, actor=person(Role.AUTHOR), now=timestamps.now())


def page_of(draft: Revision) -> str:
    return f"/console/drafts/{draft.pk}"


def form(**steps: Any) -> dict[str, str]:
    """The fields of a draft of two steps, the second of which is done first."""
    fields = {
        "title": "Typed", "description": "", "ordering": "strict", "change_note": "", "steps-TOTAL_FORMS": "2",
        "steps-0-position": "2", "steps-0-key": "last", "steps-0-title": "Last",
        "steps-0-instructions": "Take **two**.",
        "steps-0-slots": '[{"key": "mass", "label": "Mass", "type": "decimal", "required": true, "unit": "mg"}]',
        "steps-0-checklist": "[]",
        "steps-1-position": "1", "steps-1-key": "first", "steps-1-title": "First", "steps-1-slots": "[]",
        "steps-1-checklist": "[]",
    }  # fmt: skip
    return fields | steps


def test_a_saved_draft_is_shown_with_what_operators_will_fill_in(browser_of: Browser, draft: Revision) -> None:
    page = browser_of(Role.AUTHOR).get(page_of(draft)).content.decode()

    assert "<strong>gently</strong>" in page
    assert 'name="step-1.value.minutes"' in page
    assert 'name="step-1.check.on_ice"' in page
    assert "15 to 65" in page
    assert "may be skipped" in page


def test_what_is_typed_is_shown_and_not_saved(browser_of: Browser, draft: Revision) -> None:
    page = browser_of(Role.AUTHOR).post(page_of(draft), form()).content.decode()

    assert page.index("First</h2>") < page.index("Last</h2>")
    assert "<strong>two</strong>" in page
    assert 'name="step-2.value.mass"' in page
    assert "what is not saved yet" in page
    assert Revision.objects.get(pk=draft.pk).title == "Mixing"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"steps-0-slots": '[{"key": "mass"}]'}, "Slots: Slot 1 (mass), label"),
        ({"steps-0-slots": "[{"}, "Slots: This cannot be read"),
        ({"steps-0-position": "9" * 5_000}, "Position: "),
        ({"steps-0-expected_duration_s": "soon"}, "Expected duration (s): "),
        ({"steps-0-key": "Not A Slug"}, "Key: "),
    ],
)
def test_what_is_wrong_is_said_and_the_rest_is_shown(
    browser_of: Browser, draft: Revision, wrong: dict[str, str], said: str
) -> None:
    answer = browser_of(Role.AUTHOR).post(page_of(draft), form(**wrong))

    page = answer.content.decode()
    assert answer.status_code == 200
    assert said in page
    assert "Last</h2>" in page


def test_a_step_that_is_ticked_to_be_deleted_is_not_shown(browser_of: Browser, draft: Revision) -> None:
    page = browser_of(Role.AUTHOR).post(page_of(draft), form(**{"steps-0-DELETE": "on"})).content.decode()

    assert "Last</h2>" not in page
    assert "Step 1 of 1" in page


def test_two_steps_that_ask_for_the_same_do_not_share_a_field(browser_of: Browser, draft: Revision) -> None:
    same = {f"steps-{number}-checklist": '[{"key": "ready", "label": "Ready", "required": true}]' for number in (0, 1)}

    page = browser_of(Role.AUTHOR).post(page_of(draft), form(**same)).content.decode()

    names = re.findall(r'name="(step-[^"]+)"', page)
    assert len(names) == len(set(names)) == 3


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.SUPERVISOR])
def test_drafts_are_for_authors(browser_of: Browser, draft: Revision, role: Role) -> None:
    assert browser_of(role).get(page_of(draft)).status_code == 403


def test_a_published_revision_is_not_a_draft(browser_of: Browser, draft: Revision) -> None:
    current = Procedure.objects.get(key="mixing").current_revision

    assert browser_of(Role.AUTHOR).get(page_of(current)).status_code == 404


@pytest.fixture
def revised(db: None, redis: object) -> Procedure:
    """A procedure with three revisions: in the second two steps changed places, in the third a limit changed."""
    first = [
        step("a", title="Step A"),
        step("b", slots=[slot("mass", "integer", max=5)]),
        step("c", checklist=[item("x")]),
    ]
    publish(body("mixing", steps=first))
    publish(body("mixing", steps=[first[2], first[1], first[0]]))
    third = [first[2], step("b", slots=[slot("mass", "integer", max=6)]), first[0]]
    return publish(body("mixing", steps=third))


def told(page: str) -> list[str]:
    """Return the rows of the table of changes, as texts."""
    table = page.partition('<table class="changes">')[2].partition("</table>")[0]
    rows = table.partition("<tbody>")[2].split("<tr>")[1:]
    return [" ".join(re.sub("<[^>]+>", " ", row).split()) for row in rows]


@pytest.mark.usefixtures("revised")
@pytest.mark.parametrize(
    ("query", "changes"),
    [
        ("", ["Step b, slot mass: max changed 5 6"]),  # what the current one changed
        ("?from=1&to=2", ["Step c moved place 3 place 1", "Step a moved place 1 place 3"]),
        ("?from=3&to=2", ["Step b, slot mass: max changed 6 5"]),
        ("?to=1", []),
        ("?from=2&to=2", []),
    ],
)
def test_any_two_revisions_are_compared(browser_of: Browser, query: str, changes: list[str]) -> None:
    assert told(browser_of(Role.VIEWER).get(REVISIONS + query).content.decode()) == changes


@pytest.mark.usefixtures("revised")
@pytest.mark.parametrize("query", ["to=4", "from=0", "to=-1", "to=x", f"to={'9' * 5_000}", "from=%00"])
def test_a_revision_that_is_not_there_is_a_404(browser_of: Browser, query: str) -> None:
    assert browser_of(Role.VIEWER).get(f"{REVISIONS}?{query}").status_code == 404


def test_a_procedure_with_only_a_draft_has_no_revisions_to_show(browser_of: Browser) -> None:
    Procedure.objects.create(key="mixing", created_at=timestamps.now(), updated_at=timestamps.now())

    assert browser_of(Role.VIEWER).get(REVISIONS).status_code == 404
