"""A demo, a browser, and people who are signed in."""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, ViewportSize, sync_playwright

from tests import PROJECT_DIR
from tests.processes import service_environment
from tests.system.demo import Demo, running_demo

CHROMIUM = shutil.which("chromium")
# Chromium's own traffic has nowhere to go; as root it starts without its sandbox only.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
ROLES = ("viewer", "operator", "supervisor", "author")
DESK: ViewportSize = {"width": 1280, "height": 900}
PASSWORD = secrets.token_urlsafe(12)

SignedIn = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip these tests where there is no browser."""
    for item in items:
        if "tests/browser/" in item.path.as_posix() and CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="chromium is not installed"))


@pytest.fixture(scope="session")
def shared_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo whose people have passwords."""
    folder = tmp_path_factory.mktemp("browser")
    with running_demo(folder / "data") as demo:
        environment = service_environment(
            folder, DATABASE_URL=demo.services["database_url"], REDIS_URL=demo.services["redis_url"], INSECURE_HTTP="1"
        )
        subprocess.run(
            [sys.executable, "-m", "tests.browser.passwords", *ROLES],
            input=PASSWORD, text=True, cwd=PROJECT_DIR, env=environment, check=True,
        )  # fmt: skip
        yield demo


@pytest.fixture
def demo(shared_demo: Demo) -> Iterator[Demo]:
    """A demo that tests use and leave as healthy as it was."""
    with shared_demo.expected_to_serve():
        yield shared_demo


@pytest.fixture(scope="module")  # while it runs, its event loop keeps this thread from asking the database
def chromium() -> Iterator[Browser]:
    """The browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the pages complained about: broken scripts, and what the content security policy refused. There is none."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture(scope="module")
def sessions(shared_demo: Demo, chromium: Browser) -> dict[str, StorageState]:
    """The cookies of each person, who has signed in once."""
    return {role: _sign_in(chromium, shared_demo, role) for role in ROLES}


def _sign_in(chromium: Browser, demo: Demo, role: str) -> StorageState:
    context = chromium.new_context(base_url=demo.base_url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Name").fill(role)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="My runs").wait_for()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def signed_in(
    demo: Demo, chromium: Browser, complaints: list[str], sessions: dict[str, StorageState]
) -> Iterator[SignedIn]:
    """Open a browser of its own for a person, who is signed in."""
    contexts: list[BrowserContext] = []

    def open_for(role: str, **options: Any) -> Page:
        context = chromium.new_context(
            base_url=demo.base_url, storage_state=sessions[role], **{"viewport": DESK, **options}
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: note(message.text, complaints))
        return page

    yield open_for
    for context in contexts:
        context.close()


def note(message: str, complaints: list[str]) -> None:
    """Keep what the content security policy refused."""
    if "Content Security Policy" in message or "Refused to" in message:
        complaints.append(message)
