"""axe finds nothing on any page, in light and dark, on a phone and on a desk; pages are small and self-contained."""

from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import SignedIn
from tests.system.demo import Demo

MOST_BYTES = 150_000
PROCEDURE = "surgical-safety-checklist"
RUN_OF = "cessna-172-before-takeoff"
PAGES = (
    "/",
    f"/console/procedures/{PROCEDURE}",
    "RUN",
    "RUN/record",
    "/wall",
    f"/console/review?procedure={PROCEDURE}",
    "/console/cache",
    f"/console/procedures/{PROCEDURE}/revisions",
)
SCREENS: list[tuple[Literal["light", "dark"], int]] = [("light", 360), ("dark", 1920)]
IS_STILL = "!document.getAnimations().some(animation => animation instanceof CSSTransition)"
"""No colour is on its way to another one: the admin's links and buttons take 0.15 s."""
each_page = pytest.mark.parametrize("path", PAGES)


def visit(page: Page, demo: Demo, path: str) -> None:
    """Go to a page; RUN is that of a run in which things were recorded, deviations too."""
    (run,) = demo.read(f"/runs?procedure={RUN_OF}")["runs"]
    page.goto(path.replace("RUN", f"/console/runs/{run['id']}"))


@each_page
def test_axe_finds_nothing(demo: Demo, signed_in: SignedIn, path: str) -> None:
    page = signed_in("supervisor")
    visit(page, demo, path)

    assert violations_on(page) == []


def test_axe_finds_nothing_in_the_admin(signed_in: SignedIn) -> None:
    page = signed_in("admin", bypass_csp=True)  # axe gives a page a style of its own there
    page.goto("/admin/procedures/procedure/")
    on_list = violations_on(page)
    page.get_by_role("link", name=PROCEDURE).click()
    on_head, head = violations_on(page), page.url
    page.get_by_role("button", name="Edit the draft").click()
    page.get_by_role("button", name="Preview", exact=True).first.click()
    page.locator(".instructions-preview p").first.wait_for()
    on_draft = violations_on(page)
    page.goto(head.replace("change/", "history/"))
    on_history = violations_on(page)
    page.goto("/admin/")
    on_index = violations_on(page)
    page.context.clear_cookies()
    page.goto("/admin/login/")

    assert on_list + on_head + on_draft + on_history + on_index + violations_on(page) == []


def violations_on(page: Page) -> list[str]:
    """Return what axe finds on a page, on a phone in the light and on a desk in the dark."""
    page.wait_for_load_state()
    violations = []
    for scheme, width in SCREENS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_function(IS_STILL)
        found: Any = Axe().run(page)
        violations += [f"{page.url}, {scheme}, {width}: {one['help']}" for one in found.response["violations"]]
    return violations


@each_page
def test_a_page_suits_a_phone(demo: Demo, signed_in: SignedIn, path: str) -> None:
    """It is light, comes from the service alone, and never scrolls sideways."""
    page = signed_in("supervisor", viewport={"width": 360, "height": 740})
    requests: list[Any] = []
    page.on("requestfinished", lambda request: requests.append(request))  # noqa: PLW0108  # it marks what it is given
    visit(page, demo, path)

    sizes = [request.sizes() for request in requests]
    assert sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes) < MOST_BYTES
    assert {request.url.startswith(f"{demo.base_url}/") for request in requests} == {True}
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
