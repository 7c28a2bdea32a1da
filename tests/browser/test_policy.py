"""The pages' policy forbids nothing that they need, and does forbid what they do not."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import SignedIn

PATIENCE_MS = 120_000  # a busy machine takes its time to make and to draw the API's documentation
PAGES = [
    "/admin/", "/admin/procedures/procedure/", "/admin/procedures/procedure/add/", "/admin/runs/run/",
    "/admin/auth/user/", "/admin/auth/user/add/", "/admin/access/apitoken/", "/admin/access/apitoken/add/",
    "/admin/auth/group/", "/problems/not-found",
]  # fmt: skip


@pytest.fixture
def admin_page(signed_in: SignedIn) -> Page:
    """An administrator's page in the browser, which keeps what violated its policy."""
    page = signed_in("admin")
    page.set_default_timeout(PATIENCE_MS)
    return page


def test_no_page_violates_its_policy(admin_page: Page, complaints: list[str]) -> None:
    for path in PAGES:
        admin_page.goto(path)

        assert complaints == [], path


def test_the_documentation_shows_its_operations(admin_page: Page, complaints: list[str]) -> None:
    admin_page.goto("/docs")
    admin_page.locator(".opblock-summary").first.wait_for()

    assert admin_page.locator(".opblock").count() > 10
    assert complaints == []


def test_a_choice_among_many_works_under_the_policy(admin_page: Page, complaints: list[str]) -> None:
    admin_page.goto("/admin/access/apitoken/add/", wait_until="networkidle")
    admin_page.locator(".select2-selection").first.click()
    admin_page.locator(".select2-results__option--selectable, .select2-results__option").first.wait_for()

    assert complaints == []


@pytest.mark.parametrize("path", ["/admin/", "/docs"])
def test_a_script_that_somebody_got_into_a_page_does_not_run(
    admin_page: Page, complaints: list[str], path: str
) -> None:
    admin_page.goto(path, wait_until="networkidle")

    admin_page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = true'}))"
    )

    assert admin_page.evaluate("window.ran") is None
    assert len(complaints) == 1
    complaints.clear()
