"""Chromium, and the people of a demo, who sign in to its pages with it."""

import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, StorageState, sync_playwright

from tests import PROJECT_DIR
from tests.processes import service_environment
from tests.system.demo import Demo

CHROMIUM = shutil.which("chromium")
# Chromium's own traffic has nowhere to go; as root it starts without its sandbox only.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
ROLES = ("viewer", "operator", "supervisor", "author", "admin")
PASSWORD = secrets.token_urlsafe(12)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run the browser inside the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def give_passwords(demo: Demo, folder: Path) -> None:
    """Let a demo's people sign in."""
    environment = service_environment(
        folder, DATABASE_URL=demo.services["database_url"], REDIS_URL=demo.services["redis_url"], INSECURE_HTTP="1"
    )
    subprocess.run(
        [sys.executable, "-m", "tests.browser.logins", *ROLES],
        input=PASSWORD, text=True, cwd=PROJECT_DIR, env=environment, check=True,
    )  # fmt: skip


def sign_in(browser: Browser, demo: Demo, role: str) -> StorageState:
    """Sign somebody in, and return their cookies."""
    context = browser.new_context(base_url=demo.base_url)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("Name").fill(role)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="My runs").wait_for()
    state = context.storage_state()
    context.close()
    return state


def log_in(page: Page, role: str) -> None:
    """Fill in the admin's login, which is what the page shows."""
    page.get_by_label("Username").fill(role)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
