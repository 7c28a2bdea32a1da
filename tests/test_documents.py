"""The documents of the tree: whatever they point to is there, and what the code points to in them too."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from tests import PROJECT_DIR

PROJECTS_COMMANDS = {name: app for name, app in get_commands().items() if isinstance(app, str)}
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
NO_DEFAULT = "\N{EN DASH}"  # in tables
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


@each_document
def test_every_option_of_a_command_exists(path: Path) -> None:
    for name, rest in re.findall(r"manage\.py ([a-z]\w+)((?: +[\w\[\]./:=\"-]+)*)", text_of(path)):
        if name in PROJECTS_COMMANDS:
            parser = load_command_class(PROJECTS_COMMANDS[name], name).create_parser("manage.py", name)
            options = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", rest))
            assert options - parser._option_string_actions.keys() == set(), name


def test_the_index_leads_to_every_document() -> None:
    index = PROJECT_DIR / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", text_of(index))}
    pages = {path for path in (PROJECT_DIR / "docs").rglob("*.md") if path != index}

    assert {page for page in pages if page not in linked and page.parent not in linked} == set()


def test_every_setting_has_its_default_and_a_reason_to_change_it() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| (.+) \|$", text_of(PROJECT_DIR / "docs" / "operations" / "settings.md"), re.MULTILINE
    )
    required, optional = text_of(PROJECT_DIR / ".env.example").split("# --- optional, with their defaults ---")
    defaults = dict.fromkeys(re.findall(r"^(\w+)=", required, re.MULTILINE), "required")
    for comment, name, value in re.findall(r"^(# )?([A-Z_]+)=(.*)$", optional, re.MULTILINE):
        defaults[name] = NO_DEFAULT if comment or not value else value

    assert [(name, default) for name, default, _reason in rows] == list(defaults.items())
