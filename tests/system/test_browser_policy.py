"""The pages in a real browser: their policy forbids nothing that they need, and does forbid what they do not."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.demo import Demo

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
PATIENCE_MS = 120_000  # a busy machine takes its time to make and to draw the API's documentation
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

PAGES = [
    "/admin/", "/admin/procedures/procedure/", "/admin/procedures/procedure/add/", "/admin/runs/run/",
    "/admin/auth/user/", "/admin/auth/user/add/", "/admin/access/apitoken/", "/admin/access/apitoken/add/",
    "/admin/auth/group/", "/problems/not-found", "/docs",
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser."""
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def admin_page(chromium: Any, demo: Demo) -> Iterator[Any]:
    """An administrator's page in the browser, which keeps what violated its policy."""
    context = chromium.new_context(base_url=demo.base_url)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.violations = []
    page.on("console", lambda message: page.violations.append(message.text) if "Policy" in message.text else None)
    page.on("pageerror", lambda error: page.violations.append(str(error)))
    page.goto("/admin/")
    _, _, login = demo.stdout.partition("login: admin, password: ")
    page.fill("#id_username", "admin")
    page.fill("#id_password", login.partition(")")[0])
    page.click("[type=submit]")
    page.wait_for_url("**/admin/")
    yield page
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_page_violates_no_policy(admin_page: Any, path: str) -> None:
    admin_page.goto(path, wait_until="networkidle")

    assert admin_page.violations == []


def test_the_documentation_shows_its_operations(admin_page: Any) -> None:
    admin_page.goto("/docs")
    admin_page.locator(".opblock-summary").first.wait_for()

    assert admin_page.locator(".opblock").count() > 10
    assert admin_page.violations == []


def test_a_choice_among_many_works_under_the_policy(admin_page: Any) -> None:
    admin_page.goto("/admin/access/apitoken/add/", wait_until="networkidle")
    admin_page.locator(".select2-selection").first.click()
    admin_page.locator(".select2-results__option--selectable, .select2-results__option").first.wait_for()

    assert admin_page.violations == []


@pytest.mark.parametrize("path", ["/admin/", "/docs"])
def test_a_script_that_somebody_got_into_a_page_does_not_run(admin_page: Any, path: str) -> None:
    admin_page.goto(path, wait_until="networkidle")

    admin_page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"
    )

    assert admin_page.evaluate("window.ran") is None
    assert len(admin_page.violations) == 1
