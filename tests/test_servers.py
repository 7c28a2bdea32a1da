"""What a test run has for itself."""

from pathlib import Path


def test_the_folders_of_tests_are_not_where_other_runs_close_them(tmp_path: Path) -> None:
    assert not [folder for folder in tmp_path.parents if folder.name.startswith("pytest-of-")]
