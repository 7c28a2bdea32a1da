"""What operators' commands say when PostgreSQL cannot do what they ask."""

import os
import subprocess
import sys

import psycopg
import pytest
from django.db import connection

from tests import PROJECT_DIR
from tests.processes import free_port


def said(*arguments: str, database_url: str) -> tuple[int, list[str]]:
    """Run a command, and return its exit code and the lines that it writes to standard error, but log lines."""
    process = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT_DIR, env=os.environ | {"DATABASE_URL": database_url}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return process.returncode, [line for line in process.stderr.splitlines() if not line.startswith("{")]


def test_a_command_that_reaches_no_server_says_so_in_one_line() -> None:
    code, lines = said("bump_cache", "--all", database_url=f"postgresql://127.0.0.1:{free_port()}/x")

    (line,) = lines  # though libpq writes several
    assert (code, line.startswith("PostgreSQL: connection failed:")) == (1, True)


@pytest.mark.django_db(transaction=True)
def test_a_command_whose_server_takes_no_writes_says_so_in_one_line() -> None:
    url = psycopg.conninfo.make_conninfo(os.environ["DATABASE_URL"], dbname=connection.settings_dict["NAME"])

    code, lines = said("bump_cache", "--all", database_url=f"{url} options='-c default_transaction_read_only=on'")

    assert (code, lines) == (1, ["PostgreSQL: cannot execute UPDATE in a read-only transaction"])


@pytest.mark.django_db(transaction=True)
def test_an_argument_that_is_no_utf_8_is_named_in_one_line() -> None:
    url = psycopg.conninfo.make_conninfo(os.environ["DATABASE_URL"], dbname=connection.settings_dict["NAME"])

    code, lines = said("export_procedures", os.fsdecode(b"gibson\xff"), database_url=url)

    assert (code, lines) == (1, [r"This is not UTF-8: 'gibson\udcff'."])


@pytest.mark.django_db(transaction=True)
def test_whoever_wants_the_traceback_gets_it() -> None:
    code, lines = said("check", "--database", "default", "--traceback", database_url="postgresql://127.0.0.1:1/x")

    assert code == 1
    assert lines[0].startswith("Traceback")


def test_a_command_whose_output_cannot_be_written_says_so_in_one_line() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        process = subprocess.run(
            [sys.executable, "manage.py", "help", "--commands"],
            cwd=PROJECT_DIR, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert process.returncode == 1
    assert process.stderr.splitlines() == ["Not all of the output could be written: No space left on device."]
