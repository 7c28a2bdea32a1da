"""The documents of the tree: everything that they point to exists."""

import re
from pathlib import Path

import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")])

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def anchors_in(document: Path) -> set[str]:
    """Return the fragments of a document's headings, as hosting platforms make them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text(encoding="utf-8"))

    for target, anchor in links:
        destination = path.parent / target if target else path
        assert destination.exists(), target
        assert not anchor or anchor in anchors_in(destination), anchor


@each_document
def test_every_test_that_is_named_exists(path: Path) -> None:
    for name in re.findall(r"\btests/[\w/]+\.py", path.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120
