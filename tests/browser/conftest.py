"""A demo, a browser, and people who are signed in."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, ViewportSize

from procedures_project.embedded import HOST
from tests.browser.people import CHROMIUM, give_passwords, running_chromium, sign_in
from tests.processes import free_port
from tests.system.demo import Demo, running_demo

DESK: ViewportSize = {"width": 1280, "height": 900}

SignedIn = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip these tests where there is no browser."""
    for item in items:
        if "tests/browser/" in item.path.as_posix() and CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="chromium is not installed"))


@pytest.fixture(scope="session")
def dashboard_port() -> int:
    """The port of a site whose pages may read the service."""
    return free_port()


@pytest.fixture(scope="session")
def shared_demo(tmp_path_factory: pytest.TempPathFactory, dashboard_port: int) -> Iterator[Demo]:
    """A demo whose people have passwords."""
    folder = tmp_path_factory.mktemp("browser")
    with running_demo(folder / "data", CORS_ALLOWED_ORIGINS=f"http://{HOST}:{dashboard_port}") as demo:
        give_passwords(demo, folder)
        yield demo


@pytest.fixture
def demo(shared_demo: Demo) -> Iterator[Demo]:
    """A demo that tests use and leave as healthy as it was."""
    with shared_demo.expected_to_serve():
        yield shared_demo


@pytest.fixture(scope="module")  # while it runs, its event loop keeps this thread from asking the database
def chromium() -> Iterator[Browser]:
    """The browser."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the pages complained about: broken scripts, and what the content security policy refused. There is none."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture(scope="session")
def sessions() -> dict[str, StorageState]:
    """The cookies of those who have signed in so far; each does it once."""
    return {}


@pytest.fixture
def signed_in(
    demo: Demo, chromium: Browser, complaints: list[str], sessions: dict[str, StorageState]
) -> Iterator[SignedIn]:
    """Open a browser of its own for a person, who is signed in."""
    contexts: list[BrowserContext] = []

    def open_for(role: str, **options: Any) -> Page:
        if role not in sessions:
            sessions[role] = sign_in(chromium, demo, role)
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
