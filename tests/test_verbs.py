"""The verbs of the Makefile: people, CI and the hooks before a commit call the same ones."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests import PROJECT_DIR
from tests.processes import clean_environment
from tests.test_documents import DOCUMENTS

# A verb as code in a text, or as a line of a code block; a variable or a comment may follow.
VERB = re.compile(r"(?:`|^ *)make ([a-z]+)(?=`|$| +#| [A-Z]+=)", re.MULTILINE)
VERBS = sorted({verb for document in DOCUMENTS for verb in VERB.findall(document.read_text(encoding="utf-8"))})


def made_by(verb: str) -> str:
    """Return the commands of a verb, without those of its `setup`, and without running them."""
    argv = ["make", "--dry-run", "--assume-old=setup", verb]
    # The tests may have been started by make, which tells its children so.
    environment = clean_environment()
    return subprocess.run(argv, cwd=PROJECT_DIR, env=environment, capture_output=True, text=True, check=True).stdout


def hooks() -> list[dict[str, Any]]:
    """Return what runs before a commit."""
    text = (PROJECT_DIR / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    return [hook for repository in yaml.safe_load(text)["repos"] for hook in repository["hooks"]]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_a_document_names_exists(verb: str) -> None:
    assert made_by(verb)


def test_make_demo_runs_the_demo() -> None:
    assert "manage.py demo" in made_by("demo")


def test_the_hooks_before_a_commit_are_together_what_make_check_does() -> None:
    verbs = [hook["entry"].removeprefix("make ") for hook in hooks()]

    assert "".join(made_by(verb) for verb in verbs) == made_by("check")


def test_no_hook_leaves_a_file_out() -> None:
    assert all(hook["always_run"] and not hook["pass_filenames"] for hook in hooks())


def test_ci_calls_what_must_pass() -> None:
    commands = (PROJECT_DIR / ".ci" / "run").read_text(encoding="utf-8").splitlines()

    assert [command for command in commands if command.startswith("make ")] == [
        "make check",
        "make test",
    ]
