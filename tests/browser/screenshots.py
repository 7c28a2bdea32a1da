"""Pictures of people's pages: `make screenshots` takes those of docs/images anew, from a demo that it starts.

With `--all FOLDER` it takes every page on every screen, in light and in dark, to be looked at.
"""

import argparse
import itertools
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import django
from playwright.sync_api import Browser, Page, StorageState, ViewportSize

from tests import PROJECT_DIR
from tests.servers import ENVIRONMENT

# The tests' tools import models, which need settings; nothing connects to these.
os.environ |= ENVIRONMENT | {"DATABASE_URL": "postgresql:///unused", "REDIS_URL": "redis://unused"}
os.environ["DJANGO_SETTINGS_MODULE"] = "procedures_project.settings"
django.setup()

from tests.browser.people import give_passwords, running_chromium, sign_in  # noqa: E402
from tests.system.demo import Demo, running_demo  # noqa: E402

IMAGES = PROJECT_DIR / "docs/images"
HEIGHTS = {360: 740, 1024: 768, 1920: 1080}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FLIGHT = "cessna-172-before-takeoff"
SURGERY = "surgical-safety-checklist"
LATER = timedelta(seconds=90)  # than now: a step of the flight is late by then

Visit = Callable[[Page, Demo], object]


@dataclass(frozen=True)
class Picture:
    """A page on a screen."""

    page: str
    width: int
    scheme: Literal["light", "dark"]

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.page}-{self.width}-{self.scheme}.png"


def _run(page: Page, demo: Demo, part: str = "") -> None:
    (run,) = demo.read(f"/runs?procedure={FLIGHT}")["runs"]
    page.goto(f"/console/runs/{run['id']}{part}")


def _wall(page: Page, _: Demo) -> None:
    page.clock.set_fixed_time(datetime.now(UTC) + LATER)
    page.goto("/wall")


def _draft(page: Page, _: Demo) -> None:
    page.goto(f"/admin/procedures/procedure/?q={SURGERY}")
    page.get_by_role("link", name=SURGERY).click()
    page.get_by_role("button", name="Edit the draft").click()
    page.locator(".field-role").first.evaluate("role => role.scrollIntoView()")


VISITS: dict[str, tuple[str, Visit]] = {
    "home": ("supervisor", lambda page, _: page.goto("/")),
    "procedure": ("supervisor", lambda page, _: page.goto(f"/console/procedures/{SURGERY}")),
    "run": ("supervisor", _run),
    "wall": ("supervisor", _wall),
    "review": ("supervisor", lambda page, _: page.goto(f"/console/review?procedure={FLIGHT}")),
    "record": ("supervisor", lambda page, demo: _run(page, demo, "/record")),
    "draft": ("author", _draft),
}
KEPT = (
    Picture("home", 1024, "light"),
    Picture("procedure", 1024, "dark"),
    Picture("run", 1024, "light"),
    Picture("run", 360, "dark"),
    Picture("wall", 1920, "dark"),
    Picture("review", 1920, "light"),
    Picture("record", 1024, "light"),
    Picture("draft", 1024, "light"),
    Picture("draft", 360, "dark"),
)


def main() -> None:
    """Take the pictures."""
    options = _options()
    every = (Picture(*how) for how in itertools.product(VISITS, HEIGHTS, SCHEMES))
    folder, pictures = (options.all, every) if options.all else (IMAGES, KEPT)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as own, running_demo(Path(own) / "data") as demo, running_chromium() as browser:
        give_passwords(demo, Path(own))
        take(pictures, browser, demo, folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", type=Path, metavar="FOLDER")
    return parser.parse_args()


def take(pictures: Iterable[Picture], browser: Browser, demo: Demo, folder: Path) -> None:
    """Take the pictures of a demo."""
    states: dict[str, StorageState] = {}
    for picture in pictures:
        role, visit = VISITS[picture.page]
        if role not in states:
            states[role] = sign_in(browser, demo, role)
        screen: ViewportSize = {"width": picture.width, "height": HEIGHTS[picture.width]}
        page = browser.new_page(
            base_url=demo.base_url, storage_state=states[role], color_scheme=picture.scheme, viewport=screen
        )
        visit(page, demo)
        page.screenshot(path=folder / picture.name)
        page.close()


if __name__ == "__main__":
    main()
