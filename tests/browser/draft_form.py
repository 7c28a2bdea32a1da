"""The admin's form of a draft, as an author fills it in."""

import secrets
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Locator, Page, expect

CHOSEN = {"type", "out_of_range"}


def new_draft(page: Page) -> str:
    """Add a procedure, whose draft is then open, and return its key."""
    key = f"written-{secrets.token_hex(4)}"
    page.goto("/admin/procedures/procedure/add/")
    page.get_by_label("Key:").fill(key)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("What publishing would change")).to_be_visible()
    return key


def add_step(page: Page, key: str, **texts: str) -> Locator:
    """Add a step at the end; `texts` go into its other fields, by name."""
    page.get_by_role("button", name="Add another Step").click()
    step = page.locator(".inline-related:not(.empty-form)").last
    for name, text in {"key": key, "title": key.capitalize(), **texts}.items():
        step.locator(f".field-{name} :is(input, textarea)").first.fill(text)
    return step


def add_slot(step: Locator, slot: Mapping[str, Any]) -> Locator:
    """Add a slot with these members; numbers are texts, digit for digit."""
    step.get_by_role("button", name="Add a slot").click()
    row = step.locator(".field-slots .member-row").last
    row.locator(".member-type select").select_option(slot["type"])
    return _fill(row, slot)


def add_item(step: Locator, item: Mapping[str, Any]) -> Locator:
    """Add an item of the checklist with these members."""
    step.get_by_role("button", name="Add an item").click()
    return _fill(step.locator(".field-checklist .member-row").last, item)


def _fill(row: Locator, members: Mapping[str, Any]) -> Locator:
    for name, value in members.items():
        if name == "options":
            for option in value:
                _add_option(row, option)
        elif name == "required":
            row.locator(".member-required input").set_checked(value)
        elif name in CHOSEN:
            row.locator(f".member-{name} select").select_option(value)
        else:
            row.locator(f".member-{name} input").first.fill(value)
    return row


def _add_option(row: Locator, option: Mapping[str, str]) -> None:
    row.get_by_role("button", name="Add an option").click()
    for name, text in option.items():
        row.locator(f".member-option >> nth=-1 >> .member-{name} input").fill(text)


def save(page: Page) -> None:
    """Save the draft, and go on editing it."""
    page.get_by_role("button", name="Save and continue editing").click()
