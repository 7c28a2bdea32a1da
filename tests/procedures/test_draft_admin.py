"""What the page of a draft says about publishing it."""

from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client

from procedures import drafts
from procedures.draft_edits import snapshot_of
from procedures.models import Procedure, Revision, Step
from rest import exact_json, timestamps
from tests.factories import body, publish, slot, step
from tests.procedures.page_forms import form_on

NO_STEPS = {"steps-TOTAL_FORMS": 0, "steps-INITIAL_FORMS": 0}
TWO_STEPS = [step("measure", slots=[slot("mass", "decimal", max=5)]), step("incubate")]


@pytest.fixture
def procedure(admin_user: User) -> Procedure:
    """A published procedure with two steps."""
    return publish(body(steps=TWO_STEPS))


@pytest.fixture
def draft(procedure: Procedure, admin_user: User) -> Revision:
    """The procedure's draft, still unchanged."""
    return drafts.open_draft(procedure=procedure, actor=admin_user, now=timestamps.now())


class _Rows(HTMLParser):
    """The cells of the table of changes."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._is_inside = False
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "section":
            self._is_inside = dict(attrs).get("id") == "changes"
        if self._is_inside and tag == "tr":
            self.rows.append([])
        if self._is_inside and tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._is_inside = False
        if self._cell is not None and tag in ("td", "th"):
            self.rows[-1].append("".join(self._cell).strip())
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)


def path(revision: Revision) -> str:
    return f"/admin/procedures/revision/{revision.pk}/change/"


def page_of(client: Client, revision: Revision) -> str:
    answer = client.get(path(revision))
    assert answer.status_code == 200
    return answer.text


def changes_on(page: str) -> list[list[str]]:
    parser = _Rows()
    parser.feed(page)
    return parser.rows[1:]


def test_a_fresh_draft_would_change_nothing(admin_client: Client, draft: Revision) -> None:
    page = page_of(admin_client, draft)

    assert "Nothing: the saved draft equals gibson revision 1." in page
    assert changes_on(page) == []


def test_every_change_is_shown_old_and_new(admin_client: Client, draft: Revision) -> None:
    draft.title = "Gibson assembly"
    draft.save()
    draft.steps.filter(key="incubate").delete()
    draft.steps.filter(key="measure").update(slots=[slot("mass", "decimal", max=7)], position=2)
    Step.objects.create(revision=draft, key="thaw", title="Thaw", position=1)

    assert changes_on(page_of(admin_client, draft)) == [
        ["Title", "changed", "Gibson", "Gibson assembly"],
        ["Step incubate", "removed", "place: 2title: Incubateskippable: no", "none"],
        ["Step thaw", "added", "none", "place: 1title: Thawskippable: no"],
        ["Step measure, slot mass: max", "changed", "5", "7"],
    ]


def test_moved_steps_are_shown(admin_client: Client, draft: Revision) -> None:
    draft.steps.filter(key="measure").update(position=3)

    (change,) = changes_on(page_of(admin_client, draft))

    assert change == ["Step measure", "moved", "place 1", "place 2"]


def test_what_changes_is_escaped(admin_client: Client, draft: Revision) -> None:
    draft.title = "<script>alert(1)</script>"
    draft.save()
    draft.steps.filter(key="measure").update(instructions="<img src=x onerror=alert(1)>\nsecond line")

    page = page_of(admin_client, draft)

    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert "<ins>&lt;img src=x onerror=alert(1)&gt;<br>second line</ins>" in page


def test_a_first_draft_has_nothing_to_compare_with(admin_client: Client, admin_user: User) -> None:
    now = timestamps.now()
    new = Procedure.objects.create(key="new", created_at=now, updated_at=now)
    draft = drafts.open_draft(procedure=new, actor=admin_user, now=now)

    page = page_of(admin_client, draft)

    assert "Everything: it would be the first revision." in page
    assert "cannot be published any more" not in page


def test_a_published_revision_is_not_compared(admin_client: Client, procedure: Procedure) -> None:
    page = page_of(admin_client, procedure.current_revision)

    assert "What publishing would change" not in page
    assert "Save and publish" not in page


def test_a_draft_that_breaks_rules_is_compared_too(admin_client: Client, draft: Revision) -> None:
    draft.steps.all().delete()

    changes = changes_on(page_of(admin_client, draft))

    assert [change[:2] for change in changes] == [["Step measure", "removed"], ["Step incubate", "removed"]]


def test_a_form_with_errors_is_not_mistaken_for_the_saved_draft(admin_client: Client, draft: Revision) -> None:
    form = {"title": "Not saved", "description": "", "ordering": "no such order", **NO_STEPS}
    form["base"] = snapshot_of(draft).sealed()

    page = admin_client.post(path(draft), form).text

    assert "errornote" in page
    assert changes_on(page) == []


def test_staff_who_may_only_view_see_the_changes(client: Client, draft: Revision) -> None:
    draft.title = "Gibson assembly"
    draft.save()
    reader = User.objects.create(username="reader", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_revision"))
    client.force_login(reader)

    page = page_of(client, draft)

    assert changes_on(page) == [["Title", "changed", "Gibson", "Gibson assembly"]]
    assert "Save and publish" not in page


def test_a_draft_whose_base_is_current_has_no_warning(admin_client: Client, draft: Revision) -> None:
    assert "cannot be published any more" not in page_of(admin_client, draft)


def test_a_draft_whose_base_is_no_longer_current_has_a_warning(admin_client: Client, draft: Revision) -> None:
    publish(body(title="Meanwhile", steps=TWO_STEPS))

    page = page_of(admin_client, draft)

    assert "Gibson revision 2 has been published since this draft was started from revision 1." in page
    assert changes_on(page) == [["Title", "changed", "Meanwhile", "Gibson"]]


def test_a_first_draft_is_outdated_by_another_first_revision(admin_client: Client, draft: Revision) -> None:
    Revision.objects.filter(pk=draft.pk).update(based_on=None)

    assert "has been published since this draft was started." in page_of(admin_client, draft)


def test_a_draft_whose_base_is_no_longer_current_is_refused_at_publishing(
    admin_client: Client, draft: Revision
) -> None:
    publish(body(title="Meanwhile", steps=TWO_STEPS))
    form = {"title": "Late", "description": "", "ordering": "strict", "change_note": "", **form_of_steps(draft)}

    answer = admin_client.post(path(draft), {**form, "_publish": "Save and publish"}, follow=True)

    draft.refresh_from_db()
    assert "Not published. Another revision has been published since this draft was started." in answer.text
    assert (draft.number, draft.title) == (None, "Late")
    assert Procedure.objects.get().current_revision.title == "Meanwhile"


def test_a_draft_that_a_browser_sends_back_untouched_is_not_changed(admin_client: Client, admin_user: User) -> None:
    text = "First line,\n  second line.\n"
    steps = [step(instructions=text, caution=text), step("incubate", instructions=text)]
    procedure = publish(body(description=text, steps=steps))
    draft = drafts.open_draft(procedure=procedure, actor=admin_user, now=timestamps.now())
    form = {"title": "Gibson", "description": text, "ordering": "strict", "change_note": "", **form_of_steps(draft)}
    # Browsers send line breaks in texts as CRLF (HTML).
    sent = {name: value.replace("\n", "\r\n") if isinstance(value, str) else value for name, value in form.items()}

    assert admin_client.post(path(draft), sent).status_code == 302

    assert changes_on(page_of(admin_client, draft)) == []


def test_the_line_breaks_of_browsers_do_not_count_twice_for_the_longest_text(
    admin_client: Client, draft: Revision
) -> None:
    form = {"title": "Gibson", "ordering": "strict", "change_note": "\r\n" * 400, "description": ""}

    assert admin_client.post(path(draft), {**form, **form_of_steps(draft)}).status_code == 302

    draft.refresh_from_db()
    assert draft.change_note == "\n" * 400


def test_slots_are_edited_one_per_line(admin_client: Client, admin_user: User) -> None:
    slots = [slot("mass", "decimal", max=exact_json.loads("12.50")), slot("lot", "text")]
    procedure = publish(body(steps=[step(slots=slots)]))
    draft = drafts.open_draft(procedure=procedure, actor=admin_user, now=timestamps.now())

    lines = unescape(page_of(admin_client, draft)).splitlines()

    first = next(index for index, line in enumerate(lines) if line.startswith('{"key":"mass"'))
    assert '"max":12.50' in lines[first]
    assert lines[first + 1].startswith('{"key":"lot"')


def form_of_steps(draft: Revision) -> dict[str, Any]:
    """Return the forms of the draft's steps as the browser would send them back."""
    form: dict[str, Any] = {
        "base": snapshot_of(draft).sealed(),
        "steps-TOTAL_FORMS": 2,
        "steps-INITIAL_FORMS": 2,
    }
    for index, stored in enumerate(draft.steps.order_by("position")):
        members = {"id": stored.pk, "revision": draft.pk, "position": stored.position, "key": stored.key}
        members |= {"title": stored.title, "instructions": stored.instructions, "caution": stored.caution or ""}
        members |= {"slots": exact_json.dumps(stored.slots).decode(), "checklist": "[]"}
        form |= {f"steps-{index}-{name}": value for name, value in members.items()}
    return form


def test_the_page_costs_no_statement_for_each_step(
    admin_client: Client, draft: Revision, django_assert_max_num_queries: Any
) -> None:
    Step.objects.bulk_create(
        Step(revision=draft, key=f"step-{position}", title="x", position=position) for position in range(10, 40)
    )

    with django_assert_max_num_queries(18):  # for thirty steps as for one
        page_of(admin_client, draft)


@pytest.mark.parametrize("slots", ["{}", "0", "false", '""'])
def test_what_is_no_list_of_slots_is_not_taken_for_an_empty_one(
    admin_client: Client, draft: Revision, slots: str
) -> None:
    path = f"/admin/procedures/revision/{draft.pk}/change/"
    form = form_on(admin_client.get(path).text, "revision_form")

    answer = admin_client.post(path, {**form, "steps-0-slots": slots})

    assert "Expected a list of items" in unescape(answer.text)


def test_a_form_is_not_believed_that_there_are_more_steps_than_may_be(admin_client: Client, draft: Revision) -> None:
    sent = form_on(page_of(admin_client, draft), "revision_form")

    answer = admin_client.post(path(draft), {**sent, "steps-TOTAL_FORMS": settings.MAX_STEPS + 1})

    assert answer.status_code == 200
    assert f"Please submit at most {settings.MAX_STEPS} forms." in answer.text


@pytest.mark.parametrize("model", ["procedure", "revision"])
@pytest.mark.parametrize("number", ["9" * 30, "9" * 5_000, "\u0661"])
def test_a_page_of_a_number_that_cannot_be_leads_back(admin_client: Client, model: str, number: str) -> None:
    page = f"/admin/procedures/{model}/{number}/change/"

    assert [admin_client.get(page).status_code, admin_client.post(page).status_code] == [302, 302]
