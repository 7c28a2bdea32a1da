"""The console's page of a run, as an operator fills it in."""

import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Page

Parts = Mapping[str, str]


def start(page: Page, key: str) -> str:
    """Start a run from the page of its procedure, and return its id."""
    page.goto(f"/console/procedures/{key}")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/console/runs/[0-9a-f-]+$"))
    return page.url.rpartition("/")[2]


def fill(page: Page, values: Mapping[str, str | bool | list[str] | Parts]) -> None:
    """Fill in the fields of slots, by key: a text, what is chosen, or the parts of a duration."""
    for key, value in values.items():
        _fill(page, f"value.{key}", value)


def _fill(page: Page, name: str, value: Any) -> None:
    match value:
        case bool():
            page.locator(f'[name="{name}"][value="{str(value).lower()}"]').check()
        case list():
            for chosen in value:
                page.locator(f'[name="{name}"][value="{chosen}"]').check()
        case Mapping():
            for part, text in value.items():
                page.locator(f'[name="{name}.{part}"]').fill(text)
        case _:
            page.locator(f'[name="{name}"]').fill(value)


def check_everything(page: Page) -> None:
    """Tick every item of the checklist."""
    for box in page.get_by_role("group", name="Checklist").get_by_role("checkbox").all():
        box.check()


def commit(page: Page) -> None:
    """Press the large button."""
    page.get_by_role("button", name="Commit this step").click()
