"""An author writes a procedure in a browser: every type of slot, no JSON, and nothing that was typed is lost."""

import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page, expect

from tests.system.demo import Demo

ADMIN_PASSWORD = re.compile(r"login: admin, password: (\S+)\)")
OPTIONS = [{"value": "left", "label": "Left side"}, {"value": "right", "label": "Right side"}]
SLOTS: list[dict[str, Any]] = [
    {"key": "lot", "type": "text", "pattern": "[A-Z]{2}-[0-9]{3}", "max_length": "6"},
    {"key": "count", "type": "integer", "min": "1", "max": "10"},
    {"key": "volume", "type": "decimal", "unit": "µl", "min": "5.00", "max": "20", "decimals": "2"},
    {"key": "labelled", "type": "boolean"},
    {"key": "side", "type": "choice", "options": OPTIONS},
    {"key": "tools", "type": "multi_choice", "options": OPTIONS},
    {"key": "day", "type": "date"},
    {"key": "moment", "type": "datetime"},
    {"key": "length", "type": "duration"},
]

Windows = Callable[[], Page]


def log_in(page: Page, demo: Demo) -> None:
    """Fill in the admin's login."""
    found = ADMIN_PASSWORD.search(demo.stdout)
    assert found
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(found[1])
    page.get_by_role("button", name="Log in").click()


@pytest.fixture
def window(demo: Demo, chromium: Browser, complaints: list[str]) -> Iterator[Windows]:
    """Open a window of an author, who is logged in; each window is a browser of its own."""
    contexts: list[BrowserContext] = []

    def open_one() -> Page:
        context = chromium.new_context(base_url=demo.base_url, viewport={"width": 1280, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None
        )
        page.goto("/admin/")
        log_in(page, demo)
        return page

    yield open_one
    for context in contexts:
        context.close()


def new_draft(page: Page) -> str:
    """Add a procedure, whose draft is then open, and return its key."""
    key = f"written-{secrets.token_hex(4)}"
    page.goto("/admin/procedures/procedure/add/")
    page.get_by_label("Key:").fill(key)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("What publishing would change")).to_be_visible()
    return key


def add_step(page: Page, key: str) -> Locator:
    """Add a step at the end."""
    page.get_by_role("button", name="Add another Step").click()
    step = page.locator(".inline-related:not(.empty-form)").last
    step.locator(".field-key input").first.fill(key)
    step.locator(".field-title input").first.fill(key.capitalize())
    return step


def add_slot(step: Locator, slot: dict[str, Any]) -> Locator:
    """Add a slot with these members."""
    step.get_by_role("button", name="Add a slot").click()
    row = step.locator(".field-slots .member-row").last
    row.locator(".member-label input").first.fill(slot["key"].capitalize())
    for name, value in slot.items():
        if name == "type":
            row.locator(".member-type select").select_option(value)
        elif name == "options":
            for option in value:
                row.get_by_role("button", name="Add an option").click()
                for member in ("value", "label"):
                    row.locator(f".member-option >> nth=-1 >> .member-{member} input").fill(option[member])
        else:
            row.locator(f".member-{name} input").first.fill(value)
    return row


def order(page: Page) -> list[str]:
    """The keys of the steps, as they are shown."""
    keys = page.locator(".inline-related:not(.empty-form) input[name$='-key']")
    return [field.input_value() for field in keys.all()]


def save(page: Page) -> None:
    page.get_by_role("button", name="Save and continue editing").click()


def test_an_author_writes_every_type_of_slot_without_json(demo: Demo, window: Windows) -> None:
    page = window()
    key = new_draft(page)
    step = add_step(page, "measure")
    for slot in SLOTS:
        add_slot(step, slot)
    step.get_by_role("button", name="Add an item").click()
    item = step.locator(".field-checklist .member-row").last
    item.locator(".member-key input").fill("on_ice")
    item.locator(".member-label input").fill("Tubes are on ice")

    page.get_by_role("button", name="Save and publish").click()

    expect(page.get_by_text(f"Published {key} revision 1.")).to_be_visible()
    published = demo.client("viewer").get(f"/procedures/{key}")
    (written,) = published.json()["steps"]
    assert [(slot["key"], slot["type"]) for slot in written["slots"]] == [(slot["key"], slot["type"]) for slot in SLOTS]
    assert '"min":5.00,' in published.text  # digit for digit
    assert written["slots"][4]["options"] == OPTIONS
    assert written["checklist"] == [{"key": "on_ice", "label": "Tubes are on ice", "required": True}]


def test_a_value_is_tried_against_a_pattern(window: Windows) -> None:
    page = window()
    new_draft(page)
    row = add_slot(add_step(page, "measure"), SLOTS[0])

    row.get_by_label("Try a value").fill("AB-123")
    expect(row.get_by_text("This value fits.")).to_be_visible()
    row.get_by_label("Try a value").fill("AB-12")
    expect(row.get_by_text("This value does not fit.")).to_be_visible()


def test_what_is_wrong_is_said_in_the_row_that_it_is_about(window: Windows) -> None:
    page = window()
    new_draft(page)
    step = add_step(page, "measure")
    add_slot(step, SLOTS[0])
    add_slot(step, {"key": "count", "type": "integer", "min": "3", "max": "2"})

    save(page)

    row = page.locator(".field-slots .member-row").nth(1)
    expect(row.locator(".member-max .member-error")).to_have_text("Slot 2 (count), max: Must not be less than min.")
    row.locator(".member-max input").fill("4")
    save(page)
    expect(page.get_by_text("was changed successfully")).to_be_visible()


def test_steps_are_moved_by_keyboard_and_by_dragging_and_are_duplicated(window: Windows) -> None:
    page = window()
    new_draft(page)
    for key in ("a", "b", "c"):
        add_step(page, key)

    page.get_by_role("button", name="Move this step up").nth(2).press("Enter")
    assert order(page) == ["a", "c", "b"]
    page.set_viewport_size({"width": 1280, "height": 3600})  # what is dragged to must be in sight
    page.locator(".step-handle").nth(0).drag_to(page.locator(".inline-related:not(.empty-form) h3").nth(2))
    moved = order(page)
    page.get_by_role("button", name="Duplicate this step").nth(0).click()
    assert (moved.index("a") > 0, order(page)[:2]) == (True, [moved[0], f"{moved[0]}-copy"])
    shown = order(page)
    save(page)

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert order(page) == shown


def test_a_session_that_ends_loses_nothing_that_was_typed(demo: Demo, window: Windows) -> None:
    page = window()
    new_draft(page)
    add_step(page, "measure").locator(".field-instructions textarea").fill("Weigh it.\nTwice.")
    page.context.clear_cookies(name="sessionid")

    save(page)
    log_in(page, demo)

    expect(page.get_by_text("This is what you typed before.")).to_be_visible()
    save(page)
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    expect(page.locator("#id_steps-0-instructions")).to_have_value("Weigh it.\nTwice.")


def test_leaving_asks_first_and_what_was_typed_can_be_brought_back(window: Windows) -> None:
    page = window()
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


def test_two_authors_of_one_draft_lose_nothing(window: Windows) -> None:
    mine, theirs = window(), window()
    new_draft(mine)
    theirs.goto(mine.url)
    theirs.locator("#id_title").fill("Theirs")
    theirs.locator("#id_description").fill("Theirs too")
    save(theirs)
    expect(theirs.get_by_text("was changed successfully")).to_be_visible()
    mine.locator("#id_title").fill("Mine")

    save(mine)

    expect(mine.get_by_text("Meanwhile this became: Theirs.")).to_be_visible()
    expect(mine.locator("#id_title")).to_have_value("Mine")
    expect(mine.locator("#id_description")).to_have_value("Theirs too")
    save(mine)
    expect(mine.get_by_text("was changed successfully")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_form_of_a_draft_does_not_overflow(window: Windows, width: int, scheme: Any, tmp_path: Path) -> None:
    page = window()
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    new_draft(page)
    add_slot(add_step(page, "measure"), SLOTS[2])

    rows = page.locator(".member-row")
    overflow = rows.evaluate_all("rows => rows.some(row => row.scrollWidth > row.clientWidth)")
    page.screenshot(path=tmp_path / "draft.png", full_page=True)
    assert not overflow
