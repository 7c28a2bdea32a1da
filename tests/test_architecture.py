"""What the linters cannot see: each concern stays in its one place."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
PACKAGES = TOOLS["importlinter"]["root_packages"]
WITHOUT_THE_SERVICE = {"tests", "benchmarks"}
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

# These start processes of their own, or run before there are settings.
MAY_READ_THE_ENVIRONMENT = re.compile(
    r"procedures_project/(settings|demo\w*|embedded|wsgi|server|management/commands/serve)\.py"
)
# Variables that .env.example explains although the settings do not read them, and the files that do.
READ_ELSEWHERE = {
    "POSTGRES_PASSWORD": "docker-compose.yml",
}
# Each app names what it caches in one place; a migration's SQL names it for ever, and cannot import what may change.
MAY_NAME_RESOURCES = re.compile(r"(procedures|runs)/(caches\.py|migrations/.*)")
KEY_BEGINNING = re.compile(r"procedures:(list|run|procedure)\b")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def texts_in(tree: ast.Module) -> Iterator[str]:
    """Yield every string in the code, except docstrings, which are expressions by themselves."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def reads_the_environment(tree: ast.Module) -> bool:
    names = {"environ", "environb", "getenv", "putenv"}
    return any(
        (isinstance(node, ast.Attribute) and node.attr in names and getattr(node.value, "id", "") == "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and names & {alias.name for alias in node.names})
        for node in ast.walk(tree)
    )


def variables_that_settings_read() -> set[str]:
    """The first arguments of `env.required("X", …)` and its like, and of `os.environ.get("X")`."""
    tree = tree_of(ROOT / "procedures_project" / "settings.py")
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
        and re.fullmatch(r"env\.\w+|os\.environ\.get|os\.getenv", ast.unparse(call.func))
    }


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 50
    assert "SECRET_KEY" in variables_that_settings_read()


def test_every_package_is_under_the_contracts_and_measured_and_in_the_image() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - WITHOUT_THE_SERVICE
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    assert set(PACKAGES) == packages
    assert set(TOOLS["coverage"]["run"]["source"]) == packages
    assert {f"!{package}" for package in packages} <= set(ignored)


def test_the_example_environment_lists_exactly_the_variables_that_are_read() -> None:
    example = (ROOT / ".env.example").read_text()

    listed = re.findall(r"^#?\s?([A-Z][A-Z0-9_]*)=", example, re.MULTILINE)

    assert sorted(listed) == sorted(variables_that_settings_read() | READ_ELSEWHERE.keys())


@pytest.mark.parametrize(("variable", "path"), READ_ELSEWHERE.items())
def test_a_variable_that_the_settings_do_not_read_is_read_where_it_is_said_to_be(variable: str, path: str) -> None:
    assert variable in (ROOT / path).read_text()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_the_settings_read_the_environment(path: Path) -> None:
    assert MAY_READ_THE_ENVIRONMENT.fullmatch(name_of(path)) or not reads_the_environment(tree_of(path))


DATABASE_BACKEND = "procedures_project/postgresql/base.py"  # a name that Django asks for


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_file_is_a_drawer_for_everything(path: Path) -> None:
    if name_of(path) == DATABASE_BACKEND:
        return

    assert path.stem not in {"util", "utils", "helper", "helpers", "common", "misc", "shared", "base", "core"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_only_the_declarations_of_caches_name_resources(path: Path) -> None:
    names = [text for text in texts_in(tree_of(path)) if KEY_BEGINNING.search(text)]

    assert not names or MAY_NAME_RESOURCES.fullmatch(name_of(path))


def test_the_declarations_of_caches_name_resources() -> None:
    assert any("procedures:" in text for text in texts_in(tree_of(ROOT / "procedures" / "caches.py")))


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_says_what_is_in_it(path: Path) -> None:
    if path.parent.name == "migrations":
        return

    assert ast.get_docstring(tree_of(path))
