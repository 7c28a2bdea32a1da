"""docs/security.md keeps its word: the tests that it names exist, and what it says is absent is absent."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests import PROJECT_DIR
from tests.test_architecture import SOURCES, name_of, tree_of

DOCUMENT = (PROJECT_DIR / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(\w+)`", DOCUMENT)))
RISKS = [f"API{number} " for number in range(1, 11)]

# Of the modules that open URLs; those that look for a server of their own at start are none of a request's.
OPENS_URLS = {"requests", "urllib.request", "http.client", "httpx", "aiohttp", "urllib3"}
OF_THE_DEMO = re.compile(r"procedures_project/(demo\w*|embedded)\.py")
RUNS_DATA = {"pickle", "marshal", "shelve", "dill", "yaml"}


def imports_of(tree: ast.Module) -> set[str]:
    """Return the names of the modules that a module imports."""
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def calls_of(tree: ast.Module) -> set[str]:
    """Return the names of the functions that a module calls by their plain name."""
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_a_test_that_the_document_names_exists(file: str, test: str) -> None:
    files = (PROJECT_DIR / "tests").rglob(file)

    assert any(re.search(rf"^def {test}\(", path.read_text(encoding="utf-8"), re.MULTILINE) for path in files)


def test_each_risk_has_a_line_with_a_test() -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("| API")]

    assert [row.removeprefix("| ").partition(" ")[0] + " " for row in rows] == RISKS
    assert all("::test_" in row for row in rows)


def test_no_code_of_the_service_opens_urls() -> None:
    opening = {name_of(path) for path in SOURCES if imports_of(tree_of(path)) & OPENS_URLS}

    assert {name for name in opening if not OF_THE_DEMO.fullmatch(name)} == set()


def test_no_code_of_the_service_unpickles_or_evaluates() -> None:
    assert {name_of(path) for path in SOURCES if imports_of(tree_of(path)) & RUNS_DATA} == set()
    assert {name_of(path) for path in SOURCES if calls_of(tree_of(path)) & {"eval", "exec"}} == set()


def test_the_bill_of_materials_lists_what_is_pinned(tmp_path: Path) -> None:
    made = subprocess.run(["make", "--dry-run", "sbom"], cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
    command = made.stdout[made.stdout.index(".venv/bin/cyclonedx-py") :].replace("\\\n", " ").splitlines()[0].split()
    at = command.index("--output-file") + 1
    assert command[at] in (PROJECT_DIR / ".gitignore").read_text().splitlines()
    command[at] = str(tmp_path / command[at])

    # It checks what it writes against the schema of CycloneDX.
    subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, check=True)

    bill = json.loads(Path(command[at]).read_text())
    pinned = re.findall(
        r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", (PROJECT_DIR / "requirements/production.txt").read_text(), re.M
    )
    assert bill["bomFormat"] == "CycloneDX"
    assert sorted((one["name"], one["version"]) for one in bill["components"]) == sorted(pinned)
