"""The README tells the truth: its commands are run."""

import re
import subprocess
from pathlib import Path

from tests import PROJECT_DIR
from tests.system.demo import Demo

README = (PROJECT_DIR / "README.md").read_text(encoding="utf-8")
START, USE, _ = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


def test_it_starts_the_demo_with_one_verb() -> None:
    assert START == "make demo\n"


def test_the_commands_to_try_it_do_what_they_promise(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / ".demo").symlink_to(demo.data_dir)
    commands = USE.replace("http://127.0.0.1:8000", demo.base_url)

    pasted = subprocess.run(["bash", "-c", commands], cwd=tmp_path, capture_output=True, text=True, check=True)

    procedures, run, timing, *metrics = pasted.stdout.splitlines()
    assert procedures.startswith('[{"key":"cessna-172-before-takeoff"')
    assert '"status":"in_progress"' in run
    assert re.search(r'cache;desc="(memory|redis)"', timing), "the second read is a hit"
    assert any(re.match(r'backend_procedure_cache_hits_total\{resource="list"\} [1-9]', line) for line in metrics)
