"""Verifying the ledger on the command line."""

import time
from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from access.roles import Role
from runs import ledger
from runs.management.commands import verify_ledger
from runs.management.commands.verify_ledger import EVENTS_PER_BATCH, RUNS_PER_FETCH
from runs.models import Run
from tests.factories import body, commit, start
from tests.many_runs import make_runs

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


def test_a_faulty_run_is_one_line_of_the_log(run: Run) -> None:
    tamper("UPDATE runs_runevent SET note = 'forged' WHERE run_id = %s", run.pk)

    with capture_logs() as logs:
        lines, _ = faults()

    assert [(line["event"], line["run_id"], line["faults"]) for line in logs] == [("ledger_faulty", str(run.pk), 2)]
    assert lines[0] == f"{run.pk}: {logs[0]['fault']}"


def test_metrics_say_what_was_found_when_all_runs_were_checked(run: Run, operator_user: User) -> None:
    other = start(operator_user, body("pcr"))
    tamper("UPDATE runs_runevent SET note = 'forged' WHERE run_id = %s AND seq = 2", run.pk)
    before = time.time()

    faults()
    checked_at = REGISTRY.get_sample_value("backend_ledger_checked_timestamp_seconds") or 0.0
    verify(other)

    assert before <= checked_at == REGISTRY.get_sample_value("backend_ledger_checked_timestamp_seconds")
    assert REGISTRY.get_sample_value("backend_ledger_faulty_runs") == 1


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


def statements_of(*arguments: str) -> tuple[int, str]:
    """Return how many statements a verification takes, without BEGIN and COMMIT, and what it prints."""
    output = StringIO()
    with CaptureQueriesContext(connection) as captured:
        call_command("verify_ledger", *arguments, stdout=output)
    return len([query for query in captured if query["sql"] not in {"BEGIN", "COMMIT"}]), output.getvalue()


def test_many_runs_take_a_few_statements_a_batch(run: Run, operator_user: User) -> None:
    make_runs(2_000, run.revision, operator_user, events=5)

    statements, said = statements_of()

    assert said.startswith("No faults. Runs checked: 2001, events: 10002.\n")
    batches = 10_002 // EVENTS_PER_BATCH + 1
    fetches = 2_001 // RUNS_PER_FETCH + 1
    assert statements == 1 + fetches + 3 * batches + 1  # the count; runs, steps, events; the newest


def test_one_fault_among_many_runs_is_found(run: Run, operator_user: User) -> None:
    make_runs(600, run.revision, operator_user, events=2)
    (forged,) = Run.objects.order_by("pk")[300:301]
    tamper("UPDATE runs_runevent SET note = 'forged' WHERE run_id = %s AND seq = 2", forged.pk)

    lines, last_word = faults()

    assert lines == [f"{forged.pk}: event 2 (pause) does not match its hash, or the one before was changed"]
    assert last_word == "Faulty runs: 1 of 601."


def test_a_run_whose_events_are_all_gone_is_found_among_others(run: Run, operator_user: User) -> None:
    make_runs(2, run.revision, operator_user, events=2)
    tamper("DELETE FROM runs_runevent WHERE run_id = %s", run.pk)

    lines, _ = faults()

    assert {line.split(":")[0] for line in lines} == {str(run.pk)}


def test_it_says_where_it_was_stopped_and_goes_on_there(
    run: Run, operator_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_runs(6, run.revision, operator_user, events=2)
    monkeypatch.setattr(verify_ledger, "EVENTS_PER_BATCH", 4)
    ids = [str(run_id) for run_id in Run.objects.order_by("pk").values_list("pk", flat=True)]
    check, checked = ledger.faults_in_each, []

    def interrupted(run_ids: Any) -> Any:
        checked.append(run_ids)
        if len(checked) == 3:
            raise KeyboardInterrupt  # Ctrl-C
        return check(run_ids)

    monkeypatch.setattr(verify_ledger, "faults_in_each", interrupted)
    with pytest.raises(CommandError) as stop:
        call_command("verify_ledger", stdout=StringIO())
    assert str(stop.value) == f"Stopped. Runs checked: 4, events: 8. Go on with --after {ids[3]}."
    assert stop.value.returncode == 130

    _, said = statements_of("--after", ids[3])

    assert said.startswith("No faults. Runs checked: 3, events: 6.\n")


def test_longer_runs_cost_no_more_statements(run: Run, operator_user: User) -> None:
    with CaptureQueriesContext(connection) as short:
        verify(run)
    commit(run, "incubate", operator_user)
    with CaptureQueriesContext(connection) as long:
        verify(run)

    assert len(long) == len(short)
