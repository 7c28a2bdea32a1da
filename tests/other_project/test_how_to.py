"""The how-to tells the bookshop as it is: its code is the bookshop's, and its commands do what it says."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests import PROJECT_DIR
from tests.other_project.surroundings import BOOKSHOP_DIR, Shop, Surroundings, Valkey

PATH = PROJECT_DIR / "docs" / "how-to" / "cache-a-read.md"
HOW_TO = PATH.read_text(encoding="utf-8")
CODE = re.findall(r"`(books/[\w/]+\.py)`:\n\n```python\n(.*?)```", HOW_TO, re.DOTALL)
PREPARE, SERVE, USE, LOOK = re.findall(r"```sh\n(.*?)```", HOW_TO, re.DOTALL)
(ANSWER,) = re.findall(r"```http\n(.*?)```", HOW_TO, re.DOTALL)
EXPORT = re.compile(r"^export (.*)\n", re.MULTILINE)
VARYING = re.compile(r"\d+-[0-9a-f]{8}|[\d.]+")
DOCSTRING = re.compile(r'(""".*"""\n\n)?')
ADDRESS = "http://127.0.0.1:8000"
GIVEN = {"versioned_cache", "django", "rest_framework"}  # what the page says that a project needs in any case


@pytest.fixture
def unprepared(running_valkey: Valkey, tmp_path: Path) -> Iterator[Surroundings]:
    """Surroundings without a database."""
    surroundings = Surroundings(running_valkey.url, tmp_path)
    yield surroundings
    surroundings.drop_database()


def masked(text: str) -> str:
    """Return a text without the numbers that differ each time."""
    return VARYING.sub("#", text)


@pytest.mark.parametrize(("path", "code"), CODE)
def test_its_code_is_exactly_the_bookshops(path: str, code: str) -> None:
    file = (BOOKSHOP_DIR / path).read_text(encoding="utf-8")

    assert file.endswith(code)
    assert DOCSTRING.fullmatch(file.removesuffix(code))


def test_all_of_its_code_names_its_file() -> None:
    assert HOW_TO.count("```python\n") == len(CODE)


def test_it_shows_every_file_of_the_bookshop() -> None:
    files = {path.relative_to(BOOKSHOP_DIR).as_posix() for path in BOOKSHOP_DIR.rglob("*.py")}

    assert {path for path, _ in CODE} == {path for path in files if not path.endswith("__init__.py")}


def test_it_names_every_package_that_the_cache_imports() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (PROJECT_DIR / "versioned_cache").rglob("*.py")]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    imported = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - GIVEN
    (requirements,) = re.findall(r"Its own requirements\nare (.*?)\. ", HOW_TO)

    named = set(re.findall(r"[`[]([\w-]+)", requirements))

    assert {packages_distributions()[name][0].replace("_", "-") for name in imported} == named


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", HOW_TO):
        assert (PATH.parent / target).exists(), target


def test_its_commands_do_what_it_says(unprepared: Surroundings, valkey: Valkey) -> None:
    (exported,) = EXPORT.findall(PREPARE)
    assert {variable.partition("=")[0] for variable in exported.split()} <= unprepared.environment.keys()

    checked = unprepared.run("bash", "-ec", EXPORT.sub("", PREPARE))
    shop = Shop(unprepared, SERVE)
    try:
        shop.wait_until_ready()
        used = unprepared.run("bash", "-ec", USE.replace(ADDRESS, shop.base_url))
        looked = unprepared.run("bash", "-ec", LOOK.replace(ADDRESS, shop.base_url))
    finally:
        shop.end()

    assert "no issues" in checked
    assert [line for line in masked(ANSWER).splitlines() if line not in masked(used)] == []
    assert 'bookshop_cache_hits_total{resource="book"} 1' in looked
    assert '"price":"9.90"' in looked
