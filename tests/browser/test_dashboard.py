"""A page of another site polls the service with the script of docs/how-to/poll.md."""

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Response

from procedures_project.embedded import HOST
from tests.system.demo import Demo
from tests.system.test_poll import EXAMPLES

PATIENCE_MS = 30_000
# The example takes what it needs from where Node has it.
PAGE = """<!doctype html>
<html lang="en"><title>Dashboard</title><link rel="icon" href="data:,">
<script>globalThis.process = {{ env: {env} }};</script>
<script type="module">{script}</script>
</html>
"""

Publish = Callable[[str], str]


class _Quiet(SimpleHTTPRequestHandler):
    """A handler that says nothing about its requests."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def publish(dashboard_port: int, tmp_path: Path) -> Iterator[Publish]:
    """Put a page onto a site of its own, and return its address."""
    site = ThreadingHTTPServer((HOST, dashboard_port), partial(_Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=site.serve_forever)
    thread.start()

    def put(page: str) -> str:
        (tmp_path / "index.html").write_text(page, encoding="utf-8")
        return f"http://{HOST}:{dashboard_port}/"

    yield put
    site.shutdown()
    thread.join()
    site.server_close()


def test_a_page_of_another_origin_polls_the_list_and_is_answered_304(
    demo: Demo, chromium: Browser, publish: Publish
) -> None:
    env = json.dumps({"SERVICE": demo.base_url, "TOKEN": demo.tokens["viewer"]})
    count = len(demo.read("/procedures"))

    def is_unchanged(answer: Response) -> bool:
        return answer.status == 304 and answer.url == f"{demo.base_url}/procedures"

    page = chromium.new_page()

    with page.expect_console_message(timeout=PATIENCE_MS) as first:
        page.goto(publish(PAGE.format(env=env, script=EXAMPLES["js"])))
    with page.expect_response(is_unchanged, timeout=PATIENCE_MS):
        pass
    with demo.procedure(), page.expect_console_message(timeout=PATIENCE_MS) as second:
        pass
    page.close()

    assert [first.value.text, second.value.text] == [f"{count} procedures", f"{count + 1} procedures"]
