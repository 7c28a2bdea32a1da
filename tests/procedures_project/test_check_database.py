"""`check_database` finds each thing that a restore or a hand may have damaged, and mends what it can."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.db.migrations.recorder import MigrationRecorder

from procedures.models import Procedure
from procedures_project.postgresql.objects import RECORD, record
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _mended() -> Iterator[None]:
    """Whatever a test has damaged is mended in the end."""
    call_command("check_database", "--mend", stdout=StringIO())
    yield
    call_command("check_database", "--mend", stdout=StringIO())


def execute(*statements: str) -> None:
    """Do what somebody at psql does."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def said(*options: str) -> tuple[int, list[str]]:
    """Return the command's exit code, and the lines that it writes."""
    out = StringIO()
    try:
        call_command("check_database", *options, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def test_the_record_is_what_the_migrations_make() -> None:
    """After a migration that changes a function or a trigger, record it: `manage.py check_database --record`."""
    with connection.cursor() as cursor:
        assert record(cursor) == RECORD.read_text(encoding="utf-8")


def test_nothing_is_wrong_with_a_database_that_was_migrated() -> None:
    assert said() == (0, ["No faults."])


DAMAGES = {
    "ALTER TABLE runs_runevent DISABLE TRIGGER event_is_append_only":
        "trigger event_is_append_only on runs_runevent: fires never",
    "ALTER TABLE runs_run ENABLE TRIGGER run_raises_version":
        "trigger run_raises_version on runs_run: fires not for replication",
    "ALTER TABLE runs_run ENABLE REPLICA TRIGGER run_keeps_its_origin":
        "trigger run_keeps_its_origin on runs_run: fires only for replication",
    "DROP TRIGGER step_is_immutable_once_published ON procedures_step":
        "trigger step_is_immutable_once_published on procedures_step: missing",
    "DROP TRIGGER event_raises_version ON runs_runevent; CREATE TRIGGER event_raises_version AFTER INSERT ON"
    " runs_runevent FOR EACH ROW EXECUTE FUNCTION runs_raise_version_of_event()":
        "trigger event_raises_version on runs_runevent: not the one that the migrations make",
    "CREATE OR REPLACE FUNCTION runs_protect_event() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'":
        "function runs_protect_event(): not the one that the migrations make",
    "ALTER FUNCTION raise_resource_version(text) RESET search_path":
        "function raise_resource_version(text): not the one that the migrations make",
    "DROP FUNCTION raise_resource_versions_like(text)":
        "function raise_resource_versions_like(text): missing",
    "DELETE FROM resource_version WHERE resource = 'procedures:list'":
        "resource_version: no row for 1 of the list, so they are not cached",
    "ALTER TABLE runs_run ADD CONSTRAINT has_title CHECK (title IS NOT NULL) NOT VALID":
        "constraint has_title of runs_run: not valid",
}  # fmt: skip


@pytest.fixture
def _without_constraint() -> Iterator[None]:
    yield
    execute("ALTER TABLE runs_run DROP CONSTRAINT IF EXISTS has_title")


@pytest.mark.usefixtures("_without_constraint")
@pytest.mark.parametrize(("damage", "expected"), DAMAGES.items())
def test_a_damage_is_said_in_a_line_and_mended_on_request(damage: str, expected: str) -> None:
    execute(damage)

    assert said() == (1, [expected])
    assert said("--mend") == (0, [f"Mended: {expected}", "No faults."])
    assert said() == (0, ["No faults."])


def test_a_mended_trigger_protects_again() -> None:
    procedure = factories.publish(factories.body("gibson"))
    execute("ALTER TABLE procedures_step DISABLE TRIGGER ALL")

    code, lines = said("--mend")

    assert (code, lines[-1]) == (0, "No faults.")
    assert any(line.startswith("Mended: foreign key ") for line in lines)
    with pytest.raises(IntegrityError, match="published"):
        procedure.current_revision.steps.all().delete()


def test_versions_of_what_is_there_are_made_again() -> None:
    factories.publish(factories.body("gibson"))
    execute("DELETE FROM resource_version")

    code, lines = said("--mend")

    assert (code, lines[-1]) == (0, "No faults.")
    assert "Mended: resource_version: no row for 1 of procedures, so they are not cached" in lines


GRAMS = "procedures_proceduregrams: wrong for 1 of procedures, so not all are found"


@pytest.mark.parametrize(
    "damage", ["DELETE FROM procedures_proceduregrams", "UPDATE procedures_proceduregrams SET grams = 'odd'"]
)
def test_grams_that_are_missing_or_out_of_date_are_noted_again(damage: str) -> None:
    factories.publish(factories.body("gibson"))
    execute(damage)

    assert said() == (1, [GRAMS])
    assert said("--mend") == (0, [f"Mended: {GRAMS}", "No faults."])
    assert len(Procedure.objects.containing("ibso")) == 1


def test_the_function_that_makes_grams_is_missed_before_any_grams_are() -> None:
    execute("DROP FUNCTION procedures_grams_of(bigint)")

    assert said() == (1, ["function procedures_grams_of(bigint): missing"])


def test_a_constraint_that_no_one_can_make_from_here_is_said() -> None:
    execute("ALTER TABLE runs_runevent DROP CONSTRAINT event_seq_is_unique_in_its_run")
    try:
        assert said("--mend") == (1, ["event_seq_is_unique_in_its_run of runs_runevent: missing"])
    finally:
        execute("ALTER TABLE runs_runevent ADD CONSTRAINT event_seq_is_unique_in_its_run UNIQUE (run_id, seq)")


def test_a_database_that_is_behind_is_told_its_migrations_and_nothing_else() -> None:
    MigrationRecorder(connection).record_unapplied("runs", "0003_ledger_is_append_only")
    try:
        execute("ALTER TABLE runs_runevent DISABLE TRIGGER event_is_append_only")
        assert said("--mend") == (1, ["migration runs.0003_ledger_is_append_only: not applied"])
    finally:
        MigrationRecorder(connection).record_applied("runs", "0003_ledger_is_append_only")


def test_the_system_check_says_it_too() -> None:
    execute("DROP TRIGGER receipt_is_append_only ON procedures_receipt")

    messages = [message for message in run_checks(tags=[Tags.database], databases=["default"]) if message.hint]

    assert [message.msg for message in messages] == ["trigger receipt_is_append_only on procedures_receipt: missing."]


def test_the_system_check_asks_no_database_that_it_was_not_given(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert run_checks(tags=[Tags.database]) == []
