"""Procedures in the admin, over HTTP: add, draft, edit, publish."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client

from access.roles import Role
from procedures import drafts
from procedures.draft_edits import snapshot_of
from procedures.models import Procedure, Revision, Step
from rest import timestamps
from tests import factories
from tests.conftest import BumpedBy
from tests.factories import body, publish, slot, step

PROCEDURES = "/admin/procedures/procedure/"
REVISIONS = "/admin/procedures/revision/"
NO_REVISIONS = {"revisions-TOTAL_FORMS": 0, "revisions-INITIAL_FORMS": 0}
STEP_FIELDS = ("position", "key", "title", "instructions", "caution", "role", "expected_duration_s")


@pytest.fixture
def draft(admin_user: User) -> Revision:
    """A draft of a procedure with two steps."""
    new_draft = drafts.open_draft(procedure=publish(body()), actor=admin_user, now=timestamps.now())
    connection.check_constraints()  # publishing made deferred constraints immediate until the transaction ends
    return new_draft


def staff_with(*codenames: str) -> User:
    """A person who may log in, with only these permissions."""
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return staff


def change(revision: Revision) -> str:
    return f"{REVISIONS}{revision.pk}/change/"


def form_of(draft: Revision, *new_steps: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The form as a browser would send it back, with more steps at its end."""
    steps = list(draft.steps.order_by("position"))
    form: dict[str, Any] = {
        "base": snapshot_of(draft).sealed(),
        "title": draft.title,
        "description": draft.description,
        "ordering": draft.ordering,
        "change_note": draft.change_note,
        "steps-TOTAL_FORMS": len(steps) + len(new_steps),
        "steps-INITIAL_FORMS": len(steps),
    }
    for index, stored in enumerate(steps):
        form |= {f"steps-{index}-{name}": getattr(stored, name) or "" for name in STEP_FIELDS}
        form |= {f"steps-{index}-id": stored.pk, f"steps-{index}-revision": draft.pk}
        form |= {f"steps-{index}-slots": json.dumps(stored.slots), f"steps-{index}-checklist": "[]"}
    for index, new in enumerate(new_steps, start=len(steps)):
        form |= {f"steps-{index}-revision": draft.pk, f"steps-{index}-slots": "[]", f"steps-{index}-checklist": "[]"}
        form |= {f"steps-{index}-{name}": value for name, value in new.items()}
    return {**form, **members}


def new_step(position: int, key: str, **members: Any) -> dict[str, Any]:
    return {"position": position, "key": key, "title": key.capitalize(), **members}


def test_a_procedure_is_added_drafted_edited_and_published(admin_client: Client, admin_user: User) -> None:
    added = admin_client.post(f"{PROCEDURES}add/", {"key": "gibson", "tags": "lab,dna", **NO_REVISIONS})
    new_draft = Revision.objects.get()
    assert added["Location"] == change(new_draft)
    assert (new_draft.is_draft, new_draft.created_by, new_draft.title) == (True, admin_user, "Gibson")

    slots = json.dumps([slot("mass", "decimal", min=0)])
    form = form_of(new_draft, new_step(1, "measure", slots=slots), new_step(2, "incubate"), title="Gibson assembly")
    published = admin_client.post(change(new_draft), {**form, "_publish": "Save and publish"}, follow=True)

    procedure = Procedure.objects.get()
    assert "Published gibson revision 1." in published.text
    assert (procedure.tags, procedure.current_revision.title) == (["lab", "dna"], "Gibson assembly")
    assert [stored.key for stored in procedure.current_revision.steps.all()] == ["measure", "incubate"]
    assert procedure.current_revision.steps.all()[0].slots == [slot("mass", "decimal", min=0)]


def test_the_list_of_procedures_shows_drafts_too(admin_client: Client) -> None:
    now = timestamps.now()
    Procedure.objects.create(key="draft-only", created_at=now, updated_at=now)
    publish(body("published", title="In use"))

    page = admin_client.get(PROCEDURES).text

    assert "draft-only" in page
    assert '<td class="field-title">In use</td><td class="field-revision">1</td>' in page


def test_procedures_are_found_by_tag_and_by_status(admin_client: Client) -> None:
    publish(body("wet", tags=["lab"]))
    publish(body("dry", tags=["office"]))
    factories.archive("wet")

    pages = {query: admin_client.get(f"{PROCEDURES}?{query}").text for query in ("tag=lab", "status=archived", "tag=x")}

    assert [("field-key" in page, ">wet<" in page, ">dry<" in page) for page in pages.values()] == [
        (True, True, False),
        (True, True, False),
        (False, False, False),
    ]


def test_the_tags_of_what_is_shown_are_suggested_to_filter_by(admin_client: Client) -> None:
    publish(body("wet", tags=["lab", "dna"]))
    publish(body("dry", tags=["office"]))
    factories.archive("dry")

    page = admin_client.get(f"{PROCEDURES}?tag=lab&status=active").text

    assert '<input type="text" name="tag" value="lab"' in page
    assert '<input type="hidden" name="status" value="active">' in page
    assert re.findall('<option value="([a-z]+)"></option>', page) == ["dna", "lab"]


def test_a_tag_with_a_nul_selects_nothing(admin_client: Client) -> None:
    publish(body("wet", tags=["lab"]))

    assert ">wet<" not in admin_client.get(f"{PROCEDURES}?tag=%00").text


def test_all_that_are_chosen_are_no_more_than_the_list_has_counted(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("access.admin_lists.COUNTED", 1)
    for key in ("one", "two"):
        publish(body(key))
    chosen = {"action": "archive", "select_across": "1", "_selected_action": Procedure.objects.get(key="two").pk}

    admin_client.post(PROCEDURES, {**chosen, "reason": "Done."})

    assert [procedure.key for procedure in Procedure.objects.filter(status="archived")] == ["one"]


def test_a_procedure_shows_its_steps_and_revisions(admin_client: Client) -> None:
    procedure = publish(body())

    page = admin_client.get(f"{PROCEDURES}{procedure.pk}/change/").text

    assert "1. Measure <code>measure</code>" in page
    assert "Edit the draft" in page


def test_texts_of_procedures_are_escaped(admin_client: Client) -> None:
    procedure = publish(body(title="<script>alert(1)</script>", steps=[step(title="<img src=x onerror=alert(1)>")]))

    for page in (f"{PROCEDURES}{procedure.pk}/change/", REVISIONS, f"{REVISIONS}{procedure.current_id}/change/"):
        text = admin_client.get(page).text
        assert "<script>alert(1)" not in text
        assert "<img src=x" not in text


@pytest.mark.parametrize("key", ["Gibson", "a b", "a--b", "../a", "", "a" * 64])
def test_a_key_that_is_not_a_slug_is_an_error_at_the_field(admin_client: Client, key: str) -> None:
    answer = admin_client.post(f"{PROCEDURES}add/", {"key": key, "tags": "", **NO_REVISIONS})

    assert answer.status_code == 200
    assert "errorlist" in answer.text
    assert not Procedure.objects.exists()


def test_a_key_in_use_is_an_error_at_the_field(admin_client: Client) -> None:
    publish(body())

    answer = admin_client.post(f"{PROCEDURES}add/", {"key": "gibson", "tags": "", **NO_REVISIONS})

    assert "Procedure with this Key already exists." in answer.text


def test_the_key_and_status_of_a_procedure_cannot_be_changed(admin_client: Client) -> None:
    procedure = publish(body())

    admin_client.post(
        f"{PROCEDURES}{procedure.pk}/change/", {"key": "other", "status": "archived", "tags": "lab", **NO_REVISIONS}
    )

    procedure.refresh_from_db()
    assert (procedure.key, procedure.status, procedure.tags) == ("gibson", "active", ["lab"])


def test_a_procedure_cannot_be_deleted(admin_client: Client) -> None:
    procedure = publish(body())

    answer = admin_client.post(f"{PROCEDURES}{procedure.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 403
    assert "delete_selected" not in admin_client.get(PROCEDURES).text


def test_the_button_opens_one_draft_however_often(admin_client: Client) -> None:
    procedure = publish(body())

    opened = admin_client.post(f"{PROCEDURES}{procedure.pk}/draft/")
    again = admin_client.post(f"{PROCEDURES}{procedure.pk}/draft/")

    assert opened["Location"] == again["Location"] == change(Revision.objects.get(number=None))


def test_a_draft_is_not_opened_by_a_link(admin_client: Client) -> None:
    procedure = publish(body())

    assert admin_client.get(f"{PROCEDURES}{procedure.pk}/draft/").status_code == 405
    assert admin_client.post(f"{PROCEDURES}999999/draft/").status_code == 404
    assert not Revision.objects.filter(number=None).exists()


@pytest.mark.parametrize("codenames", [["view_procedure"], ["view_procedure", "change_procedure"]])
def test_staff_who_may_not_edit_drafts_leave_none_behind(client: Client, db: None, codenames: list[str]) -> None:
    client.force_login(staff_with(*codenames))
    procedure = publish(body())

    page = client.get(f"{PROCEDURES}{procedure.pk}/change/").text
    answer = client.post(f"{PROCEDURES}{procedure.pk}/draft/")

    assert "Edit the draft" not in page
    assert answer.status_code == 403
    assert not Revision.objects.filter(number=None).exists()


def test_staff_who_may_not_edit_drafts_add_a_procedure_without_one(client: Client, db: None) -> None:
    client.force_login(staff_with("view_procedure", "add_procedure"))

    answer = client.post(f"{PROCEDURES}add/", {"key": "gibson", "tags": "", **NO_REVISIONS}, follow=True)

    assert answer.status_code == 200
    assert Procedure.objects.exists()
    assert not Revision.objects.exists()


def test_an_author_among_the_staff_adds_edits_and_publishes(client: Client, person: Callable[[Role], User]) -> None:
    author = person(Role.AUTHOR)
    author.is_staff = True
    author.save()
    client.force_login(author)

    added = client.post(f"{PROCEDURES}add/", {"key": "gibson", "tags": "", **NO_REVISIONS}, follow=True)
    draft = Revision.objects.get()
    form = form_of(draft, new_step(1, "measure"), _publish="Save and publish")
    published = client.post(change(draft), form, follow=True)

    assert added.status_code == 200
    assert "Published gibson revision 1." in published.text


def test_a_draft_can_be_saved_without_publishing(admin_client: Client, draft: Revision) -> None:
    admin_client.post(change(draft), form_of(draft, title="Half done"))

    draft.refresh_from_db()
    assert (draft.title, draft.is_draft) == ("Half done", True)


def test_two_steps_can_swap_positions(admin_client: Client, draft: Revision) -> None:
    form = form_of(draft)
    form["steps-0-position"], form["steps-1-position"] = 2, 1

    answer = admin_client.post(change(draft), form)

    assert answer.status_code == 302
    assert [stored.key for stored in draft.steps.order_by("position")] == ["incubate", "measure"]


def test_a_step_can_be_deleted_and_its_place_taken(admin_client: Client, draft: Revision) -> None:
    form = form_of(draft, new_step(1, "weigh"))
    form["steps-0-DELETE"] = "on"

    answer = admin_client.post(change(draft), form)

    assert answer.status_code == 302
    assert [stored.key for stored in draft.steps.order_by("position")] == ["weigh", "incubate"]


@pytest.mark.parametrize(
    ("twin", "complaint"),
    [(new_step(2, "weigh"), "same position"), (new_step(3, "measure"), "same key")],
)
def test_two_steps_cannot_share_a_position_or_key(
    admin_client: Client, draft: Revision, twin: dict[str, Any], complaint: str
) -> None:
    answer = admin_client.post(change(draft), form_of(draft, twin))

    assert answer.status_code == 200
    assert f"Two steps have the {complaint}." in answer.text
    assert draft.steps.count() == 2


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("slots", "[{", "Expecting property name enclosed in double quotes at line 1, column 3. That line is: [{"),
        ("slots", '{"a": 1}', "Expected a list of items"),
        ("slots", '["text"]', "Slot 1: Invalid data"),
        (
            "slots",
            '[{"key": "x", "label": "X", "type": "number"}]',
            "Slot 1 (x), type: This must be one of: text,",
        ),
        ("slots", '[{"key": "x", "label": "X", "type": "choice"}]', "Slot 1 (x), options: This member is required."),
        (
            "slots",
            '[{"key": "x", "label": "X", "type": "text", "pattern": "("}]',
            "Slot 1 (x), pattern: Not a valid RE2 pattern",
        ),
        ("slots", '[{"key": "x", "label": "X", "type": "decimal", "min": NaN}]', "NaN is not JSON."),
        ("slots", '[{"key": "x", "label": "X", "type": "decimal", "min": 1e400}]', "exponent"),
        ("slots", '[{"key": "x", "key": "y", "label": "X", "type": "text"}]', "appears more than once"),
        ("slots", '[{"key": "x", "label": "X", "type": "integer", "min": 9007199254740993}]', "2^53"),
        ("slots", '[{"key": "x", "label": "a\\u0000b", "type": "text"}]', "the character NUL"),
        ("checklist", '[{"key": "x"}]', "Item 1 (x), label: "),
        ("checklist", '[{"key": "x", "label": "X", "done": true}]', "Item 1 (x), done: Unknown member."),
    ],
)
def test_wrong_slots_and_checklists_are_errors_at_the_field(
    admin_client: Client, draft: Revision, name: str, text: str, complaint: str
) -> None:
    answer = admin_client.post(change(draft), form_of(draft, **{f"steps-0-{name}": text}))

    # The page shows again what was wrong, escaped.
    assert answer.status_code == 200
    assert complaint in answer.text
    assert not draft.steps.filter(key="measure").exclude(slots=[], checklist=[]).exists()


def test_decimals_of_slots_keep_their_digits(admin_client: Client, draft: Revision) -> None:
    text = '[{"key": "mass", "label": "Mass", "type": "decimal", "max": 12.500}]'

    admin_client.post(change(draft), form_of(draft, **{"steps-0-slots": text}))

    assert '"max":12.500' in admin_client.get(change(draft)).text.replace("&quot;", '"')


def test_empty_caution_and_role_are_none(admin_client: Client, draft: Revision) -> None:
    admin_client.post(change(draft), form_of(draft, **{"steps-0-caution": "", "steps-0-role": ""}))

    assert set(draft.steps.values_list("caution", "role")) == {(None, None)}


def test_a_draft_without_steps_is_saved_but_not_published(admin_client: Client, draft: Revision) -> None:
    form = form_of(draft, _publish="Save and publish", title="Kept")
    form |= {"steps-0-DELETE": "on", "steps-1-DELETE": "on"}

    answer = admin_client.post(change(draft), form, follow=True)

    draft.refresh_from_db()
    assert "Not published. Steps: " in answer.text
    assert (draft.is_draft, draft.title) == (True, "Kept")


def test_a_draft_with_an_unknown_role_is_not_published(admin_client: Client, draft: Revision) -> None:
    form = form_of(draft, _publish="Save and publish", **{"steps-1-role": "wizard"})

    answer = admin_client.post(change(draft), form, follow=True)

    draft.refresh_from_db()
    assert "Not published. Step 2 (incubate), role: There is no group named &#x27;wizard&#x27;." in answer.text
    assert draft.is_draft


def test_an_outdated_draft_is_not_published_but_can_be_deleted_and_begun_again(
    admin_client: Client, draft: Revision
) -> None:
    publish(body(title="Meanwhile"))

    refused = admin_client.post(change(draft), form_of(draft, _publish="Save and publish"), follow=True)
    admin_client.post(f"{REVISIONS}{draft.pk}/delete/", {"post": "yes"})
    opened = admin_client.post(f"{PROCEDURES}{draft.procedure_id}/draft/", follow=True)

    assert "Not published. Another revision has been published since this draft was started." in refused.text
    assert not Revision.objects.filter(pk=draft.pk).exists()
    assert "Meanwhile" in opened.text


def test_a_published_revision_is_read_only(admin_client: Client) -> None:
    revision = publish(body()).current_revision

    page = admin_client.get(change(revision)).text
    form = form_of(revision, title="Forged", _publish="1")
    del form["base"]  # the page of a published revision has none
    changed = admin_client.post(change(revision), form)
    deleted = admin_client.post(f"{REVISIONS}{revision.pk}/delete/", {"post": "yes"})

    assert 'name="title"' not in page
    assert "Save and publish" not in page
    assert (changed.status_code, deleted.status_code) == (403, 403)
    assert Revision.objects.get().title == "Gibson"


def test_steps_of_a_published_revision_cannot_be_moved_into_a_draft(admin_client: Client, draft: Revision) -> None:
    frozen = Step.objects.filter(revision__number=1).order_by("position")[0]

    form = form_of(draft, **{"steps-0-id": frozen.pk, "steps-0-title": "Forged"})
    admin_client.post(change(draft), form)

    frozen.refresh_from_db()
    assert (frozen.title, frozen.revision.number) == ("Measure", 1)


def test_a_revision_cannot_be_added_by_hand(admin_client: Client) -> None:
    assert admin_client.get(f"{REVISIONS}add/").status_code == 403


def test_the_lists_of_revisions_are_shown(admin_client: Client, draft: Revision) -> None:
    assert "Save and publish" in admin_client.get(change(draft)).text
    assert admin_client.get(f"{REVISIONS}?number__isempty=1").status_code == 200
    assert admin_client.get(f"{REVISIONS}?q=gibson").status_code == 200


@pytest.mark.parametrize("path", [f"{PROCEDURES}?status__exact=%00", f"{REVISIONS}?title=%00"])
def test_a_filter_that_nothing_stored_can_match_is_a_wrong_one(admin_client: Client, path: str) -> None:
    answer = admin_client.get(path)

    assert answer.status_code == 302
    assert answer["Location"].endswith("?e=1")


GIBSON = {"procedures:list:version", "procedures:procedure:gibson:version"}


def test_adding_and_changing_a_procedure_bumps_its_counters(admin_client: Client, bumped_by: BumpedBy) -> None:
    assert (
        bumped_by(lambda: admin_client.post(f"{PROCEDURES}add/", {"key": "gibson", "tags": "", **NO_REVISIONS}))
        == GIBSON
    )
    procedure = Procedure.objects.get()

    assert (
        bumped_by(lambda: admin_client.post(f"{PROCEDURES}{procedure.pk}/change/", {"tags": "lab", **NO_REVISIONS}))
        == GIBSON
    )


def test_publishing_a_draft_bumps_its_procedures_counters(
    admin_client: Client, draft: Revision, bumped_by: BumpedBy
) -> None:
    saved = bumped_by(lambda: admin_client.post(change(draft), form_of(draft, title="Other")))
    draft.refresh_from_db()
    published = bumped_by(lambda: admin_client.post(change(draft), form_of(draft, _publish="Save and publish")))

    assert (saved, published) == (set(), GIBSON)


def test_archiving_bumps_the_procedures_counters(admin_client: Client, bumped_by: BumpedBy) -> None:
    form = {"action": "archive", "reason": "Old.", "_selected_action": [publish(body()).pk]}

    assert bumped_by(lambda: admin_client.post(PROCEDURES, form)) == GIBSON


def test_staff_who_may_only_edit_drafts_can_save_but_not_publish(client: Client, draft: Revision) -> None:
    client.force_login(staff_with("change_revision", "change_step", "view_step"))

    page = client.get(change(draft)).text
    answer = client.post(change(draft), form_of(draft, title="Mine", _publish="Save and publish"), follow=True)

    draft.refresh_from_db()
    assert "Save and publish" not in page
    assert "Not published. You are not allowed to publish." in answer.text
    assert (draft.title, draft.is_draft) == ("Mine", True)
