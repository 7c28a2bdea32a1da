"""A tree as the next release may be: the same code, which writes one body differently."""

import shutil
from pathlib import Path

from tests import PROJECT_DIR

PACKAGES = ("access", "console", "procedures", "procedures_project", "rest", "runs", "versioned_cache")


def make_next_tree(tree: Path) -> Path:
    """Make a tree whose instants in runs have microseconds, where those of this one have milliseconds.

    Args:
        tree: Where; it must not be there yet.
    """
    for package in PACKAGES:
        shutil.copytree(PROJECT_DIR / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT_DIR / "manage.py", tree)
    bodies = tree / "runs" / "bodies.py"
    source = bodies.read_text()
    assert source.count("HH24:MI:SS.MS") == 1
    bodies.write_text(source.replace("HH24:MI:SS.MS", "HH24:MI:SS.US"))
    return tree
