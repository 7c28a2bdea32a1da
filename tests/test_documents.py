"""The documents of the tree: whatever they point to is there, and what the code points to in them too."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests import PROJECT_DIR

DOCUMENTS = sorted(
    [*PROJECT_DIR.glob("*.md"), *(PROJECT_DIR / "docs").rglob("*.md"), *(PROJECT_DIR / "benchmarks").rglob("*.md")]
)
FOLDERS = sorted(path.name for path in PROJECT_DIR.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))
SOURCES = sorted(
    [*PROJECT_DIR.glob("*.py"), *(path for folder in FOLDERS for path in (PROJECT_DIR / folder).rglob("*.py"))]
)

ANY_FOLDER = f"(?:{'|'.join(FOLDERS)})"
# In backticks: a file or a folder, with or without its suffix, or a name in a module (`runs/views.commit`).
PATH = re.compile(rf"`({ANY_FOLDER}/[\w./-]+)`")
PATH_OF_A_MODULE = re.compile(rf"(?<![\w/-])({ANY_FOLDER}/[\w/]+\.py)\b")
NOTE = re.compile(r"Note \[([^\]\n]+)\]")
HEADING_OF_A_NOTE = re.compile(r"^### Note \[(.+)\]$", re.MULTILINE)


each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(PROJECT_DIR).as_posix())


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def anchors_in(document: Path) -> set[str]:
    """Return the fragments of a document's headings, as hosting platforms make them."""
    headings = re.findall(r"^#+ (.+)$", text_of(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def exists(named: str) -> bool:
    """Tell whether there is a file, a folder, a module, or a name in a module."""
    if (PROJECT_DIR / named).exists() or (PROJECT_DIR / f"{named}.py").exists():
        return True
    folder, _, name = named.rpartition("/")
    module, _, attribute = name.partition(".")
    source = PROJECT_DIR / folder / f"{module}.py"
    return source.exists() and re.search(rf"\b{re.escape(attribute)}\b", text_of(source)) is not None


def notes_in_the_code() -> Iterator[str]:
    """Yield the name of each Note that the service or its tests refer to."""
    for path in SOURCES:
        if not path.is_relative_to(PROJECT_DIR / "benchmarks"):
            yield from NOTE.findall(text_of(path))


@each_document
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", text_of(path))

    for target, anchor in links:
        destination = path.parent / target if target else path
        assert destination.exists(), target
        assert not anchor or anchor in anchors_in(destination), anchor


@each_document
def test_every_path_that_is_named_exists(path: Path) -> None:
    named = [*PATH.findall(text_of(path)), *PATH_OF_A_MODULE.findall(text_of(path))]

    assert [one for one in named if not exists(one)] == []


@each_document
def test_every_module_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"\b\w+\.py\b", text_of(path)))

    assert named - {source.name for source in SOURCES} == set()


def test_every_note_that_the_code_names_is_in_a_document() -> None:
    documented = {note for path in DOCUMENTS for note in NOTE.findall(text_of(path))}

    assert set(notes_in_the_code()) - documented == set()


def test_every_note_of_the_protocol_is_named_by_the_code() -> None:
    notes = HEADING_OF_A_NOTE.findall(text_of(PROJECT_DIR / "docs" / "cache-protocol.md"))

    assert notes
    assert set(notes) - set(notes_in_the_code()) == set()


def test_every_decision_that_is_named_exists() -> None:
    numbers = {int(number) for path in (*DOCUMENTS, *SOURCES) for number in re.findall(r"\bADR (\d+)", text_of(path))}
    decisions = {int(path.name[:4]) for path in (PROJECT_DIR / "docs" / "adr").glob("*.md")}

    assert numbers - decisions == set()


def test_the_readme_is_short() -> None:
    assert len(text_of(PROJECT_DIR / "README.md").splitlines()) < 120


@each_document
def test_every_command_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"manage\.py\s+([a-z]\w+)", text_of(path)))

    assert named - get_commands().keys() - {"demo"} == set()
