"""The examples of docs/how-to/poll.md are run: each notices a change, and is told of nothing else."""

import os
import re
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import PROJECT_DIR
from tests.processes import clean_environment
from tests.system.demo import Demo

EXAMPLES = dict(re.findall(r"```(\w+)\n(.*?)```", (PROJECT_DIR / "docs/how-to/poll.md").read_text("utf-8"), re.DOTALL))
INTERPRETERS = {
    "python": ([sys.executable], "poll.py"),
    "js": (["node"], "poll.mjs"),
    "sh": (["sh"], "poll.sh"),
}
PATIENCE_SECONDS = 30
POLLS_SECONDS = 3


def test_there_is_an_example_for_each_language() -> None:
    assert EXAMPLES.keys() == INTERPRETERS.keys()


@contextmanager
def running(language: str, demo: Demo, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run an example inside the block."""
    command, name = INTERPRETERS[language]
    (folder / name).write_text(EXAMPLES[language], encoding="utf-8")
    environment = clean_environment(SERVICE=demo.base_url, TOKEN=demo.tokens["viewer"])
    with subprocess.Popen([*command, name], cwd=folder, env=environment, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[bytes], seconds: float) -> str | None:
    """Return the next line that it prints; None if it prints none for so long."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            return None
    line = b""
    deadline = time.monotonic() + seconds
    while not line.endswith(b"\n"):
        assert time.monotonic() < deadline
        line += os.read(process.stdout.fileno(), 1)
    return line.decode().strip()


@pytest.mark.parametrize("language", INTERPRETERS)
def test_an_example_prints_a_line_for_each_change(demo: Demo, tmp_path: Path, language: str) -> None:
    needed = "curl" if language == "sh" else INTERPRETERS[language][0][0]
    if shutil.which(needed) is None:
        pytest.skip(f"needs {needed}")
    count = len(demo.read("/procedures"))

    with running(language, demo, tmp_path) as process:
        assert next_line(process, PATIENCE_SECONDS) == f"{count} procedures"
        assert next_line(process, POLLS_SECONDS) is None, "nothing has changed"
        with demo.procedure():
            assert next_line(process, PATIENCE_SECONDS) == f"{count + 1} procedures"
