"""What must always hold for runs and their ledgers is a constraint in the database."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from procedures.models import Step
from rest import timestamps
from runs.models import Run, RunEvent
from runs.problems import RUN_NOT_FOUND
from tests.factories import body, commit, start

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(mkoch: User) -> Run:
    return start(mkoch)


def another_run(run: Run, **members: Any) -> Run:
    now = timestamps.now()
    defaults = {"revision": run.revision, "title": "R", "last_seq": 1, "started_by": run.started_by, "started_at": now}
    return Run.objects.create(**{**defaults, **members})


def an_event(run: Run, **members: Any) -> RunEvent:
    defaults = {"run": run, "seq": 2, "kind": "pause", "actor": run.started_by, "recorded_at": timestamps.now()}
    return RunEvent.objects.create(**{**defaults, **members})


def first_step(run: Run) -> Step:
    return run.revision.steps.order_by("position")[0]


def execute(*statements: str) -> None:
    """Run raw SQL."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def refuses(constraint: str) -> Any:
    """Expect this constraint to refuse what the block does."""
    return pytest.raises(IntegrityError, match=f'"{constraint}"')


def test_a_runs_status_is_known(run: Run) -> None:
    with refuses("run_status_is_known"), transaction.atomic():
        another_run(run, status="stuck")


def test_a_run_has_at_least_its_start(run: Run) -> None:
    with refuses("run_has_at_least_its_start"), transaction.atomic():
        another_run(run, last_seq=0)


@pytest.mark.parametrize(
    ("status", "has_ended"), [("in_progress", True), ("paused", True), ("completed", False), ("aborted", False)]
)
def test_a_run_has_an_end_exactly_when_it_has_ended(run: Run, status: str, has_ended: bool) -> None:
    with refuses("run_has_an_end_when_it_has_ended"), transaction.atomic():
        another_run(run, status=status, ended_at=timestamps.now() if has_ended else None)


def test_a_seq_is_unique_in_its_run(run: Run) -> None:
    with refuses("event_seq_is_unique_in_its_run"), transaction.atomic():
        an_event(run, seq=1)


def test_a_seq_counts_from_one(run: Run) -> None:
    with refuses("event_seq_counts_from_one"), transaction.atomic():
        an_event(run, seq=0)


def test_an_events_kind_is_known(run: Run) -> None:
    with refuses("event_kind_is_known"), transaction.atomic():
        an_event(run, kind="undo")


@pytest.mark.parametrize("second", ["commit", "skip"])
def test_a_step_is_resolved_once_per_run(run: Run, mkoch: User, second: str) -> None:
    commit(run, "measure", mkoch)

    with refuses("step_is_resolved_once_per_run"), transaction.atomic():
        an_event(run, seq=3, kind=second, step=first_step(run))


def test_a_step_is_amended_as_often_as_needed(run: Run, mkoch: User) -> None:
    commit(run, "measure", mkoch)

    an_event(run, seq=3, kind="amend", step=first_step(run), amends=2)
    an_event(run, seq=4, kind="amend", step=first_step(run), amends=3)

    assert run.events.count() == 4


@pytest.mark.parametrize("kind", ["commit", "skip"])
def test_an_event_about_a_step_has_one(run: Run, kind: str) -> None:
    with refuses("event_has_a_step_when_it_is_about_one"), transaction.atomic():
        an_event(run, kind=kind)


@pytest.mark.parametrize("kind", ["start", "pause", "resume", "abort"])
def test_an_event_about_the_run_has_no_step(run: Run, kind: str) -> None:
    with refuses("event_has_a_step_when_it_is_about_one"), transaction.atomic():
        an_event(run, kind=kind, step=first_step(run))


def test_an_amendment_names_what_it_amends(run: Run) -> None:
    with refuses("event_amends_when_it_is_an_amendment"), transaction.atomic():
        an_event(run, kind="amend", step=first_step(run))


def test_only_an_amendment_amends(run: Run) -> None:
    with refuses("event_amends_when_it_is_an_amendment"), transaction.atomic():
        an_event(run, kind="pause", amends=1)


def test_an_event_cannot_be_changed_or_deleted(run: Run) -> None:
    for forge in (
        lambda: RunEvent.objects.filter(run=run).update(note="forged"),
        lambda: RunEvent.objects.filter(run=run).delete(),
        lambda: RunEvent.objects.filter(run=run)._raw_delete("default"),
    ):
        with pytest.raises(IntegrityError, match="is recorded and never changes"), transaction.atomic():
            forge()

    assert run.events.get().note is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", "Renamed"),
        ("external_ref", "ELN-2"),
        ("started_by_name", "Somebody else"),
        ("started_at", datetime(2026, 11, 26, tzinfo=UTC)),
        ("idempotency_key", "another"),
        ("request_sha256", "0" * 64),
    ],
)
def test_how_a_run_began_cannot_be_changed(run: Run, name: str, value: object) -> None:
    with pytest.raises(IntegrityError, match=r"the origin of run .* never changes"), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(**{name: value})


@pytest.mark.parametrize("name", ["revision", "started_by"])
def test_what_a_run_executes_and_who_started_it_cannot_be_changed(run: Run, name: str) -> None:
    other_run = start(User.objects.create_superuser("other"), body("lockout"))

    with pytest.raises(IntegrityError, match=r"the origin of run .* never changes"), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(**{name: getattr(other_run, name)})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE runs_runevent SET note = 'forged'",
        "DELETE FROM runs_runevent",
        "UPDATE runs_run SET title = 'forged'",
        "DELETE FROM runs_run",
        "UPDATE procedures_revision SET title = 'forged'",
        "DELETE FROM procedures_revision",
        "UPDATE procedures_step SET title = 'forged'",
        "DELETE FROM procedures_step",
        "UPDATE procedures_procedure SET key = 'forged'",
        "UPDATE procedures_procedure SET current_id = NULL",
        "DELETE FROM procedures_procedure",
    ],
)
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_no_role_of_a_session_gets_past_the_triggers(run: Run, role: str, statement: str) -> None:
    with pytest.raises(IntegrityError, match=r"never|keeps"), transaction.atomic():
        execute(f"SET LOCAL session_replication_role = {role}", statement)


@pytest.mark.parametrize(
    "table",
    [
        "runs_run", "runs_runevent", "procedures_procedure", "procedures_revision", "procedures_step",
        "procedures_receipt",
    ],
)  # fmt: skip
def test_no_table_of_the_record_is_ever_emptied(run: Run, table: str) -> None:
    connection.check_constraints()  # a table with pending triggers cannot be truncated

    with pytest.raises(IntegrityError, match=r"is never emptied"), transaction.atomic():
        execute(f"TRUNCATE {table} CASCADE")


def test_a_run_with_a_ledger_cannot_be_deleted(run: Run) -> None:
    with pytest.raises(ProtectedError):
        run.delete()


def test_people_in_the_ledger_cannot_be_deleted(run: Run, mkoch: User) -> None:
    with pytest.raises(ProtectedError):
        mkoch.delete()


def test_a_revision_with_runs_cannot_be_deleted(run: Run) -> None:
    with pytest.raises(ProtectedError):
        run.revision.delete()


def test_ids_are_uuids_ordered_by_time(run: Run) -> None:
    later_run = another_run(run)

    assert run.pk.version == 7
    assert run.pk < later_run.pk
    assert list(Run.objects.all()) == [later_run, run]


def test_a_run_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(RUN_NOT_FOUND):
        Run.objects.get_existing(UUID(int=0))


def test_values_keep_their_digits_in_storage(run: Run) -> None:
    event = an_event(run, kind="commit", step=first_step(run), values={"mass": Decimal("12.50")})

    event.refresh_from_db()
    assert str(event.values["mass"]) == "12.50"


def test_runs_and_events_are_shown_by_what_they_are(run: Run) -> None:
    assert str(run) == "Gibson"
    assert str(run.events.get()) == "1 start"
