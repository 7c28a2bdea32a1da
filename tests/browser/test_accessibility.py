"""axe finds nothing on any page, in light and dark, on a phone and on a desk; pages are small and self-contained."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import SignedIn
from tests.system.demo import Demo

MOST_BYTES = 150_000
PROCEDURE = "surgical-safety-checklist"
PAGES = (
    "/",
    f"/console/procedures/{PROCEDURE}",
    "RUN",
    "RUN/record",
    "/wall",
    f"/console/review?procedure={PROCEDURE}",
    "/console/cache",
)
SCREENS = [("light", 360), ("dark", 1920)]


def visit(page: Page, demo: Demo, path: str) -> None:
    """Go to a page; RUN is one of a fresh run."""
    page.goto(path.replace("RUN", f"/console/runs/{demo.start_run(PROCEDURE)}"))


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(demo: Demo, signed_in: SignedIn, path: str, scheme: str, width: int) -> None:
    page = signed_in("supervisor", color_scheme=scheme, viewport={"width": width, "height": 800})
    visit(page, demo, path)

    found: Any = Axe().run(page)

    assert [violation["help"] for violation in found.response["violations"]] == []


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_never_scrolls_sideways(demo: Demo, signed_in: SignedIn, path: str) -> None:
    page = signed_in("supervisor", viewport={"width": 360, "height": 740})
    visit(page, demo, path)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("path", ["/", "RUN", "/wall"])
def test_a_page_is_small_and_comes_from_the_service_alone(demo: Demo, signed_in: SignedIn, path: str) -> None:
    page = signed_in("supervisor")
    requests: list[Any] = []
    page.on("requestfinished", lambda request: requests.append(request))  # noqa: PLW0108  # it marks what it is given
    visit(page, demo, path)
    page.wait_for_load_state("networkidle") if path == "/" else page.wait_for_load_state()

    sizes = [request.sizes() for request in requests]
    assert {request.url.startswith(demo.base_url) for request in requests} == {True}
    assert sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes) < MOST_BYTES
