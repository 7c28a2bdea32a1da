"""An author edits a draft in a browser: what is wrong is said where it is, and nothing that was typed is lost."""

from playwright.sync_api import Dialog, Locator, Page, expect

from tests.browser.conftest import SignedIn
from tests.browser.draft_form import add_slot, add_step, new_draft, save
from tests.browser.people import log_in

LOT = {"key": "lot", "label": "Lot", "type": "text", "pattern": "[A-Z]{2}-[0-9]{3}", "max_length": "6"}
VOLUME = {
    "key": "volume", "label": "Volume", "type": "decimal", "unit": "µl", "min": "5.00", "max": "20", "decimals": "2",
    "out_of_range": "deviation",
}  # fmt: skip
SIDE = {"key": "side", "label": "Side", "type": "choice", "options": [{"value": "left", "label": "Left side"}]}


def order(page: Page) -> list[str]:
    """The keys of the steps, as they are shown."""
    keys = page.locator(".inline-related:not(.empty-form) input[name$='-key']")
    return [field.input_value() for field in keys.all()]


def drag(page: Page, handle: Locator, target: Locator) -> None:
    """Drag a step; of one movement alone, browsers may make no `dragover` (https://playwright.dev/python/docs/input)."""
    handle.hover()
    page.mouse.down()
    target.hover()
    target.hover()
    page.mouse.up()


def test_a_value_is_tried_against_a_pattern(signed_in: SignedIn) -> None:
    page = signed_in("author")
    new_draft(page)
    row = add_slot(add_step(page, "measure"), LOT)

    row.get_by_label("Try a value").fill("AB-123")
    expect(row.get_by_text("This value fits.")).to_be_visible()
    row.get_by_label("Try a value").fill("AB-12")
    expect(row.get_by_text("This value does not fit.")).to_be_visible()


def test_what_is_wrong_is_said_in_the_row_that_it_is_about(signed_in: SignedIn) -> None:
    page = signed_in("author")
    new_draft(page)
    step = add_step(page, "measure")
    add_slot(step, LOT)
    add_slot(step, {"key": "count", "label": "Count", "type": "integer", "min": "3", "max": "2"})

    save(page)

    row = page.locator(".field-slots .member-row").nth(1)
    expect(row.locator(".member-max .member-error")).to_have_text("Slot 2 (count), max: Must not be less than min.")
    row.locator(".member-max input").fill("4")
    save(page)
    expect(page.get_by_text("was changed successfully")).to_be_visible()


def test_steps_are_moved_by_keyboard_and_by_dragging_and_are_duplicated(signed_in: SignedIn) -> None:
    page = signed_in("author")
    new_draft(page)
    for key in ("a", "b", "c"):
        add_step(page, key)

    page.get_by_role("button", name="Move this step up").nth(2).press("Enter")
    assert order(page) == ["a", "c", "b"]
    page.set_viewport_size({"width": 1280, "height": 3600})  # what is dragged to must be in sight
    drag(page, page.locator(".step-handle").nth(0), page.locator(".inline-related:not(.empty-form) h3").nth(2))
    moved = order(page)
    page.get_by_role("button", name="Duplicate this step").nth(0).click()
    assert (moved.index("a") > 0, order(page)[:2]) == (True, [moved[0], f"{moved[0]}-copy"])
    shown = order(page)
    save(page)

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert order(page) == shown


def test_a_session_that_ends_loses_nothing_that_was_typed(signed_in: SignedIn) -> None:
    page = signed_in("author")
    new_draft(page)
    add_step(page, "measure").locator(".field-instructions textarea").fill("Weigh it.\nTwice.")
    page.context.clear_cookies(name="sessionid")

    save(page)
    log_in(page, "author")

    expect(page.get_by_text("This is what you typed before.")).to_be_visible()
    save(page)
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    expect(page.locator("#id_steps-0-instructions")).to_have_value("Weigh it.\nTwice.")


def test_leaving_asks_first_and_what_was_typed_can_be_brought_back(signed_in: SignedIn) -> None:
    page = signed_in("author")
    new_draft(page)
    draft = page.url
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.get_by_label("Title:").first.fill("Typed")
    expect(page.get_by_text("kept in this browser")).to_be_visible()

    page.goto("/admin/")
    page.goto(draft)
    page.get_by_role("button", name="Bring it back").click()

    expect(page.get_by_text("This is what you typed before.")).to_be_visible()
    expect(page.locator("#id_title")).to_have_value("Typed")
    assert asked == ["beforeunload"]


def test_two_authors_of_one_draft_lose_nothing(signed_in: SignedIn) -> None:
    mine, theirs = signed_in("author"), signed_in("admin")
    new_draft(mine)
    theirs.goto(mine.url)
    theirs.locator("#id_title").fill("Theirs")
    theirs.locator("#id_description").fill("Theirs too")
    save(theirs)
    expect(theirs.get_by_text("was changed successfully")).to_be_visible()
    mine.locator("#id_title").fill("Mine")

    save(mine)

    expect(mine.get_by_text("This draft was saved by admin")).to_be_visible()
    expect(mine.get_by_text("Meanwhile this became: Theirs.")).to_be_visible()
    expect(mine.locator("#id_title")).to_have_value("Mine")
    expect(mine.locator("#id_description")).to_have_value("Theirs too")
    save(mine)
    expect(mine.get_by_text("was changed successfully")).to_be_visible()


def test_the_form_of_a_draft_does_not_overflow(signed_in: SignedIn) -> None:
    page = signed_in("author")
    new_draft(page)
    step = add_step(page, "measure")
    for slot in (LOT, VOLUME, SIDE):
        add_slot(step, slot)
    # A label that is narrower than its field has the next field upon it.
    boxes = page.locator(".member-row, .member-row label, .member-option")

    for width in (360, 768, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        overflowing = boxes.evaluate_all(
            "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth).map(box => box.className)"
        )
        assert overflowing == [], width
