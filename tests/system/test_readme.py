"""The README tells the truth: what it says to paste is pasted."""

import re
import subprocess
from pathlib import Path

from tests.system.demo import PROJECT_DIR, Demo

README = (PROJECT_DIR / "README.md").read_text(encoding="utf-8")
START, USE, WORK = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


def made_by(verb: str) -> str:
    """Return the commands of a verb of the Makefile, without running them."""
    return subprocess.run(
        ["make", "--dry-run", verb], cwd=PROJECT_DIR, capture_output=True, text=True, check=True
    ).stdout


def test_make_demo_runs_the_demo() -> None:
    assert START == "make demo\n"
    assert "manage.py demo" in made_by("demo")


def test_the_commands_to_try_it_do_what_they_promise(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / ".demo").symlink_to(demo.data_dir)
    commands = USE.replace("http://127.0.0.1:8000", demo.base_url)

    pasted = subprocess.run(["bash", "-c", commands], cwd=tmp_path, capture_output=True, text=True, check=True)

    procedures, run, metrics = pasted.stdout[:300], pasted.stdout[300:600], pasted.stdout[600:]
    assert procedures.startswith('[{"key":"cessna-172-before-takeoff"')
    assert '"status":"in_progress"' in run
    assert 'backend_procedure_cache_hits_total{resource="list"}' in metrics


def test_every_verb_it_names_exists() -> None:
    verbs = re.findall(r"^make (\w+)", START + WORK, re.MULTILINE)

    assert verbs
    for verb in verbs:
        assert made_by(verb) is not None


def test_ci_calls_what_it_says_must_pass() -> None:
    ci = (PROJECT_DIR / ".ci" / "run").read_text(encoding="utf-8")

    assert "make check\n" in ci
    assert "make test\n" in ci


def test_it_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) < 120
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (PROJECT_DIR / target).exists(), target
