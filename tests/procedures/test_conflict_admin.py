"""Two people, or two windows of one, edit the same draft or the same head: nobody overwrites anything unknowingly."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from procedures import drafts
from procedures.models import Procedure, Revision
from rest import exact_json, timestamps
from tests.factories import body, publish, slot, step
from tests.procedures.page_forms import form_on

STEPS = [step("measure", slots=[slot("mass", "decimal", max=exact_json.loads("5.0"))]), step("incubate"), step("seal")]
MASS_7 = '[{"key": "mass", "label": "Mass", "type": "decimal", "max": 7}]'


@pytest.fixture
def colleague(db: None) -> Client:
    """Another author's browser."""
    client = Client()
    client.force_login(User.objects.create_superuser("mkoch"))
    return client


@pytest.fixture
def procedure(admin_user: User) -> Procedure:
    return publish(body(steps=STEPS, tags=["lab"]))


@pytest.fixture
def draft(procedure: Procedure, admin_user: User) -> Revision:
    return drafts.open_draft(procedure=procedure, actor=admin_user, now=timestamps.now())


def page(draft: Revision) -> str:
    return f"/admin/procedures/revision/{draft.pk}/change/"


def opened(client: Client, draft: Revision) -> dict[str, str]:
    return form_on(client.get(page(draft)).text, "revision_form")


def row(form: dict[str, str], key: str) -> str:
    """The prefix of the fields of a step."""
    (name,) = (name for name, value in form.items() if name.endswith("-key") and value == key)
    return name.removesuffix("key")


def edited(form: dict[str, str], **members: Any) -> dict[str, Any]:
    """The form after typing: members of the draft, or of a step as `measure__title`."""
    typed = {}
    for name, value in members.items():
        key, _, member = name.rpartition("__")
        typed[row(form, key) + member if key else name] = value
    return {**form, **typed}


def without_step(form: dict[str, str], key: str) -> dict[str, str]:
    return {**form, f"{row(form, key)}DELETE": "on"}


def with_step(form: dict[str, str], key: str, position: int) -> dict[str, str]:
    count = int(form["steps-TOTAL_FORMS"])
    members = {"key": key, "title": key.capitalize(), "position": str(position), "slots": "[]", "checklist": "[]"}
    new = {f"steps-{count}-{name}": value for name, value in members.items()}
    return {**form, **new, "steps-TOTAL_FORMS": str(count + 1)}


def steps_of(draft: Revision) -> list[tuple[str, str]]:
    return [(stored.key, stored.title) for stored in draft.steps.order_by("position")]


def save(client: Client, draft: Revision, form: dict[str, Any]) -> Any:
    return client.post(page(draft), form)


def test_the_second_save_is_refused_and_told_who_changed_what_and_when(
    admin_client: Client, colleague: Client, draft: Revision
) -> None:
    mine, theirs = opened(admin_client, draft), opened(colleague, draft)
    save(colleague, draft, edited(theirs, title="Theirs", measure__caution="Hot."))

    answer = save(admin_client, draft, edited(mine, title="Mine"))

    draft.refresh_from_db()
    text = unescape(answer.text)
    assert (answer.status_code, draft.title) == (200, "Theirs")
    assert "This draft was saved by mkoch at 20" in text
    assert "Meanwhile this became: Theirs." in text
    assert "<ins>Hot.</ins>" in text
    assert form_on(answer.text, "revision_form")["title"] == "Mine"


def test_saving_again_puts_mine_on_top_and_keeps_what_only_the_other_changed(
    admin_client: Client, colleague: Client, draft: Revision
) -> None:
    mine, theirs = opened(admin_client, draft), opened(colleague, draft)
    save(colleague, draft, edited(theirs, title="Theirs", description="Theirs\r\ntoo", measure__slots=MASS_7))
    refused = save(admin_client, draft, edited(mine, title="Mine", incubate__instructions="Wait."))

    saved = save(admin_client, draft, form_on(refused.text, "revision_form"))

    draft.refresh_from_db()
    assert saved.status_code == 302
    assert (draft.title, draft.description) == ("Mine", "Theirs\ntoo")
    assert draft.steps.get(key="measure").slots[0]["max"] == 7
    assert draft.steps.get(key="incubate").instructions == "Wait."


def test_a_value_that_both_changed_is_shown_at_its_field_and_keeps_what_was_typed(
    admin_client: Client, colleague: Client, draft: Revision
) -> None:
    mine, theirs = opened(admin_client, draft), opened(colleague, draft)
    save(colleague, draft, edited(theirs, measure__slots=MASS_7))

    refused = save(admin_client, draft, edited(mine, measure__slots='[{"half typed'))

    form = form_on(refused.text, "revision_form")
    assert form[f"{row(form, 'measure')}slots"] == '[{"half typed'
    assert 'Meanwhile this became: [\n{"key":"mass","max":7' in unescape(refused.text)


def test_a_step_that_the_other_deleted_goes_unless_something_was_typed_there(
    admin_client: Client, colleague: Client, draft: Revision
) -> None:
    mine, theirs = opened(admin_client, draft), opened(colleague, draft)
    save(colleague, draft, without_step(without_step(theirs, "measure"), "incubate"))

    refused = save(admin_client, draft, edited(mine, incubate__title="Kept"))
    text = unescape(refused.text)
    form = form_on(refused.text, "revision_form")
    saved = save(admin_client, draft, form)

    assert "This draft was saved by mkoch at 20" in text
    conflict = text.split('id="conflict"')[1].split("</section>")[0]
    assert re.findall("<th scope=.row.>(.*?)</th>", conflict) == ["Step measure", "Step incubate"]
    assert text.count("Meanwhile this step was deleted.") == 1
    assert saved.status_code == 302
    assert steps_of(draft) == [("incubate", "Kept"), ("seal", "Seal")]


def test_a_deletion_of_mine_is_told_what_the_other_changed_there(
    admin_client: Client, colleague: Client, draft: Revision
) -> None:
    mine, theirs = opened(admin_client, draft), opened(colleague, draft)
    save(colleague, draft, edited(theirs, seal__title="Seal well"))

    refused = save(admin_client, draft, without_step(mine, "seal"))
    still = len(steps_of(draft))
    save(admin_client, draft, form_on(refused.text, "revision_form"))

    assert "<ins>Seal well</ins>" in refused.text
    assert still == 3
    assert [key for key, _ in steps_of(draft)] == ["measure", "incubate"]


def test_steps_that_both_added_and_moved_are_all_there(
    admin_client: Client, colleague: Client, draft: Revision
) -> None:
    mine, theirs = opened(admin_client, draft), opened(colleague, draft)
    save(colleague, draft, with_step(edited(theirs, measure__position="3", seal__position="1"), "theirs", 4))

    refused = save(admin_client, draft, with_step(mine, "mine", 4))
    saved = save(admin_client, draft, form_on(refused.text, "revision_form"))

    assert saved.status_code == 302
    assert [key for key, _ in steps_of(draft)] == ["seal", "incubate", "measure", "theirs", "mine"]


def test_two_windows_of_one_person_are_told_apart(admin_client: Client, draft: Revision) -> None:
    first, second = opened(admin_client, draft), opened(admin_client, draft)
    save(admin_client, draft, edited(first, title="First"))

    refused = save(admin_client, draft, edited(second, title="Second"))

    assert "This draft was saved by you, in another window or tab, at 20" in refused.text


def test_publishing_is_refused_like_saving(admin_client: Client, colleague: Client, draft: Revision) -> None:
    mine, theirs = opened(admin_client, draft), opened(colleague, draft)
    save(colleague, draft, edited(theirs, title="Theirs"))

    refused = save(admin_client, draft, {**mine, "_publish": "Save and publish"})

    draft.refresh_from_db()
    assert refused.status_code == 200
    assert draft.is_draft


def test_the_same_change_by_both_has_nothing_to_mark(admin_client: Client, colleague: Client, draft: Revision) -> None:
    mine, theirs = opened(admin_client, draft), opened(colleague, draft)
    save(colleague, draft, edited(theirs, title="Same"))

    assert "Meanwhile this became" not in save(admin_client, draft, edited(mine, title="Same")).text


@pytest.mark.parametrize("end", ["publish", "discard"])
def test_what_was_typed_into_a_draft_that_is_gone_comes_back_in_a_new_one(
    admin_client: Client, colleague: Client, draft: Revision, end: str
) -> None:
    mine, theirs = opened(admin_client, draft), opened(colleague, draft)
    if end == "publish":
        save(colleague, draft, {**edited(theirs, title="Theirs", seal__title="Seal well"), "_publish": "1"})
    else:
        colleague.post(f"/admin/procedures/revision/{draft.pk}/delete/", {"post": "yes"})

    refused = admin_client.post(page(draft), edited(mine, incubate__instructions="Typed."), follow=True)
    new = Revision.objects.get(number=None)
    saved = save(admin_client, new, form_on(refused.text, "revision_form"))

    text = unescape(refused.text)
    assert "The draft that you opened is gone, and this is a new one." in text
    assert ("Published revision 2." if end == "publish" else "Discarded the draft “Gibson”.") in text
    assert "That was mkoch at 20" in text
    assert saved.status_code == 302
    new.refresh_from_db()
    assert new.title == ("Theirs" if end == "publish" else "Gibson")
    assert steps_of(new)[2] == ("seal", "Seal well" if end == "publish" else "Seal")
    assert new.steps.get(key="incubate").instructions == "Typed."


@pytest.mark.parametrize("base", [None, "", "forged", "eyJ:1:x"])
def test_a_form_that_does_not_say_what_it_was_opened_on_is_not_saved(
    admin_client: Client, draft: Revision, base: str | None
) -> None:
    form = edited(opened(admin_client, draft), title="Typed")
    form = {name: value for name, value in form.items() if name != "base"} | ({} if base is None else {"base": base})

    refused = save(admin_client, draft, form)

    draft.refresh_from_db()
    assert "It is not known which state of the draft this form shows." in refused.text
    assert draft.title == "Gibson"
    assert save(admin_client, draft, form_on(refused.text, "revision_form")).status_code == 302


def test_a_form_with_an_ordinary_error_is_not_a_conflict(admin_client: Client, draft: Revision) -> None:
    wrong = save(admin_client, draft, edited(opened(admin_client, draft), title=""))
    right = save(admin_client, draft, edited(form_on(wrong.text, "revision_form"), title="Right"))

    assert "Somebody was faster" not in wrong.text
    assert right.status_code == 302


def test_what_was_typed_earlier_comes_back_without_being_saved(admin_client: Client, draft: Revision) -> None:
    form = with_step(edited(opened(admin_client, draft), title="Typed"), "mine", 4)

    shown = save(admin_client, draft, {**form, "resume": "1"})
    draft.refresh_from_db()
    title = draft.title
    saved = save(admin_client, draft, form_on(shown.text, "revision_form"))

    assert title == "Gibson"
    assert "This is what you typed before." in shown.text
    assert saved.status_code == 302
    assert steps_of(draft)[-1] == ("mine", "Mine")


def test_what_was_typed_earlier_goes_on_top_of_what_is_saved_now(
    admin_client: Client, colleague: Client, draft: Revision
) -> None:
    form = edited(opened(admin_client, draft), title="Typed")
    save(colleague, draft, edited(opened(colleague, draft), description="Theirs"))

    shown = save(admin_client, draft, {**form, "resume": "1"})

    assert "This draft was saved by mkoch" in shown.text
    assert (form_on(shown.text, "revision_form")["title"], form_on(shown.text, "revision_form")["description"]) == (
        "Typed",
        "Theirs",
    )


def test_two_forms_of_one_state_say_the_same_of_what_they_were_opened_on(
    admin_client: Client, colleague: Client, draft: Revision
) -> None:
    before = opened(admin_client, draft)["base"]

    assert opened(colleague, draft)["base"] == before
    save(colleague, draft, edited(opened(colleague, draft), title="Other"))
    assert opened(admin_client, draft)["base"] != before


def test_tags_that_somebody_else_changed_are_not_overwritten(
    admin_client: Client, colleague: Client, procedure: Procedure
) -> None:
    path = f"/admin/procedures/procedure/{procedure.pk}/change/"
    mine, theirs = (form_on(client.get(path).text, "procedure_form") for client in (admin_client, colleague))
    colleague.post(path, {**theirs, "tags": "lab,dna"})

    refused = admin_client.post(path, {**mine, "tags": "wet"})
    procedure.refresh_from_db()
    kept = procedure.tags
    admin_client.post(path, form_on(refused.text, "procedure_form"))

    procedure.refresh_from_db()
    assert "Meanwhile these became: lab, dna (mkoch at 20" in unescape(refused.text)
    assert (kept, procedure.tags) == (["lab", "dna"], ["wet"])


def test_tags_survive_what_else_happens_to_the_procedure(admin_client: Client, procedure: Procedure) -> None:
    path = f"/admin/procedures/procedure/{procedure.pk}/change/"
    form = form_on(admin_client.get(path).text, "procedure_form")
    publish(body(title="Meanwhile", tags=["lab"]))

    admin_client.post(path, {**form, "tags": "wet"})

    procedure.refresh_from_db()
    assert (procedure.tags, procedure.current_revision.title) == (["wet"], "Meanwhile")


def test_numbers_that_are_too_long_to_be_ours_are_no_failure(admin_client: Client, draft: Revision) -> None:
    form = {**opened(admin_client, draft), "base": "", "steps-TOTAL_FORMS": "9" * 5_000, "steps-0-id": "9" * 5_000}

    assert save(admin_client, draft, form).status_code == 200


def test_a_position_that_is_too_long_to_be_a_number_is_refused_at_its_field(
    admin_client: Client, colleague: Client, draft: Revision
) -> None:
    mine, theirs = opened(admin_client, draft), opened(colleague, draft)
    save(colleague, draft, edited(theirs, title="Theirs"))

    refused = save(admin_client, draft, edited(mine, measure__position="9" * 5_000))

    assert refused.status_code == 200
    assert "errorlist" in refused.text
