"""Verifying the ledger on the command line."""

from collections.abc import Callable
from io import StringIO
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from access.roles import Role
from runs.models import Run
from tests.factories import body, commit, start

pytestmark = pytest.mark.django_db(transaction=True)  # the command takes snapshots of its own


@pytest.fixture
def operator_user(person: Callable[[Role], User]) -> User:
    return person(Role.OPERATOR)


@pytest.fixture
def run(operator_user: User) -> Run:
    """A run of two events."""
    run = start(operator_user)
    commit(run, "measure", operator_user)
    return run


def verify(*runs: Run) -> str:
    output = StringIO()
    call_command("verify_ledger", *(str(run.pk) for run in runs), stdout=output)
    return output.getvalue()


def faults(*runs: Run) -> tuple[list[str], str]:
    """Return the lines that a failing verification prints, and its error message."""
    output = StringIO()
    with pytest.raises(CommandError) as failure:
        call_command("verify_ledger", *(str(run.pk) for run in runs), stdout=output)
    assert failure.value.returncode == 1
    return output.getvalue().splitlines(), str(failure.value)


def tamper(statement: str, *arguments: UUID) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE runs_runevent DISABLE TRIGGER event_is_append_only")
        cursor.execute(statement, arguments)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with pending triggers cannot be altered
        cursor.execute("ALTER TABLE runs_runevent ENABLE ALWAYS TRIGGER event_is_append_only")


def test_sound_runs_and_their_events_are_counted(run: Run, operator_user: User) -> None:
    newest = start(operator_user, body("pcr"))

    assert verify().splitlines() == [
        "No faults. Runs checked: 2, events: 3.",
        f"Note this elsewhere: newest run {newest.pk}, event 1, hash {newest.events.get().hash}.",
    ]


def test_no_runs_are_sound() -> None:
    assert verify() == "No faults. Runs checked: 0, events: 0.\n"


def test_a_fault_is_printed_with_the_id_of_its_run(run: Run, operator_user: User) -> None:
    start(operator_user, body("pcr"))
    tamper("UPDATE runs_runevent SET note = 'forged' WHERE run_id = %s AND seq = 2", run.pk)

    lines, last_word = faults()

    assert lines == [f"{run.pk}: event 2 (commit) does not match its hash, or the one before was changed"]
    assert last_word == "Faulty runs: 1 of 2."


def test_every_fault_of_every_run_is_printed(run: Run, operator_user: User) -> None:
    other = start(operator_user, body("pcr"))
    tamper("UPDATE runs_runevent SET note = 'forged'")

    lines, _ = faults()

    assert [line.split(" (")[0] for line in lines] == [
        f"{run.pk}: event 1",
        f"{run.pk}: event 2",
        f"{other.pk}: event 1",
    ]


def test_only_the_named_runs_are_checked(run: Run, operator_user: User) -> None:
    other = start(operator_user, body("pcr"))
    tamper("UPDATE runs_runevent SET note = 'forged' WHERE run_id = %s", run.pk)

    assert verify(other) == "No faults. Runs checked: 1, events: 1.\n"


def test_an_event_that_cannot_be_read_is_a_fault_and_the_others_are_checked(run: Run, operator_user: User) -> None:
    other = start(operator_user, body("pcr"))
    tamper("UPDATE runs_runevent SET recorded_at = 'infinity' WHERE run_id = %s AND seq = 1", run.pk)
    tamper("UPDATE runs_runevent SET note = 'forged' WHERE run_id = %s", other.pk)

    lines, _ = faults()

    assert lines[0].startswith(f"{run.pk}: it cannot be read: ")
    assert lines[1].startswith(f"{other.pk}: event 1 (start)")


def test_a_run_that_does_not_exist_is_an_error() -> None:
    unknown = uuid4()

    with pytest.raises(CommandError, match=f"No such run: {unknown}"):
        call_command("verify_ledger", str(unknown))


def test_something_that_is_not_an_id_is_an_error() -> None:
    with pytest.raises(CommandError, match="RUN_ID: invalid UUID value"):
        call_command("verify_ledger", "gibson")


def test_longer_runs_cost_no_more_statements(run: Run, operator_user: User) -> None:
    with CaptureQueriesContext(connection) as short:
        verify(run)
    commit(run, "incubate", operator_user)
    with CaptureQueriesContext(connection) as long:
        verify(run)

    assert len(long) == len(short)
