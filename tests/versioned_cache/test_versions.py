"""The authority in PostgreSQL: what bumps a version, and what does not."""

import secrets
from collections.abc import Callable
from contextlib import suppress

import pytest
from django.core.management.color import no_style
from django.db import DatabaseError, connection, transaction

from access.roles import Role
from procedures.caches import PROCEDURE_LIST, procedure_resource
from procedures.models import Procedure
from rest import timestamps
from runs.caches import run_resource
from tests import factories
from versioned_cache.versions import committed_version, committed_versions, one_snapshot, settled_version

pytestmark = pytest.mark.django_db(transaction=True)

IN_A_REPLICATION_ROLE = """
    SET session_replication_role = replica;
    UPDATE procedures_procedure SET tags = '{}';
    RESET session_replication_role
"""
GIBSON = procedure_resource("gibson")


@pytest.fixture
def procedure(redis: object) -> Procedure:
    """A published procedure, committed."""
    return factories.publish(factories.body("gibson"))


def bumps_of(write: Callable[[], object]) -> tuple[int, int]:
    """Return by how much `write` bumps the list and the procedure."""
    before = committed_versions([PROCEDURE_LIST, GIBSON])
    write()
    after = committed_versions([PROCEDURE_LIST, GIBSON])
    return after[PROCEDURE_LIST] - before[PROCEDURE_LIST], after[GIBSON] - before[GIBSON]


def execute(statement: str) -> None:
    """Run raw SQL."""
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_what_was_never_written_has_no_version(redis: object) -> None:
    assert committed_version(procedure_resource("nobody")) is None


def test_a_version_is_born_at_the_clock_in_milliseconds(redis: object) -> None:
    key = f"newborn-{secrets.token_hex(6)}"  # of any other key an earlier test may have left the row
    factories.publish(factories.body(key))

    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp()) * 1000")
        (now_ms,) = cursor.fetchone()

    assert now_ms - 60_000 < (committed_version(procedure_resource(key)) or 0) <= now_ms


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE procedures_procedure SET updated_at = now()",
        "UPDATE procedures_procedure SET tags = '{lab}' WHERE key = 'gibson'",
        IN_A_REPLICATION_ROLE,
    ],
)
def test_raw_sql_bumps_once(procedure: Procedure, statement: str) -> None:
    assert bumps_of(lambda: execute(statement)) == (1, 1)


def test_a_bulk_update_bumps_once(procedure: Procedure) -> None:
    assert bumps_of(lambda: Procedure.objects.update(tags=["lab"])) == (1, 1)


def test_several_writes_in_one_transaction_bump_once(procedure: Procedure) -> None:
    @transaction.atomic
    def write() -> None:
        for tag in ("a", "b", "c"):
            procedure.tags = [tag]
            procedure.save()

    assert bumps_of(write) == (1, 1)


def test_several_writes_in_several_savepoints_bump_once(procedure: Procedure) -> None:
    @transaction.atomic
    def write() -> None:
        for tag in ("a", "b"):
            with transaction.atomic():
                procedure.tags = [tag]
                procedure.save()
                settled_version(GIBSON)

    assert bumps_of(write) == (1, 1)


def test_a_deleted_head_bumps(redis: object) -> None:
    now = timestamps.now()
    draft_only = Procedure.objects.create(key="gibson", created_at=now, updated_at=now)

    assert bumps_of(draft_only.delete) == (1, 1)


def test_an_update_of_no_row_bumps_nothing(procedure: Procedure) -> None:
    assert bumps_of(lambda: Procedure.objects.filter(key="nobody").update(tags=["x"])) == (0, 0)


def test_a_rolled_back_transaction_bumps_nothing(procedure: Procedure) -> None:
    def write() -> None:
        with transaction.atomic():
            procedure.save()
            transaction.set_rollback(True)

    assert bumps_of(write) == (0, 0)


def test_a_rolled_back_savepoint_bumps_nothing(procedure: Procedure) -> None:
    def write() -> None:
        with transaction.atomic(), transaction.atomic():
            procedure.save()
            transaction.set_rollback(True)

    assert bumps_of(write) == (0, 0)


def test_a_truncated_table_bumps_everything_of_its_kind(procedure: Procedure) -> None:
    flush = connection.ops.sql_flush(no_style(), ["procedures_procedure"], allow_cascade=True)

    assert bumps_of(lambda: connection.ops.execute_sql_flush(flush)) == (1, 1)


def test_a_draft_bumps_nothing(procedure: Procedure) -> None:
    def write() -> None:
        draft = procedure.revisions.create(title="Draft", created_at=timestamps.now())
        draft.steps.create(key="one", position=1, title="One")

    assert bumps_of(write) == (0, 0)


def test_an_event_bumps_its_run_alone(procedure: Procedure, person: Callable[..., object]) -> None:
    operator = person(Role.OPERATOR)
    run, other = factories.start(operator), factories.start(operator)
    before = committed_versions([run_resource(run.pk), run_resource(other.pk), PROCEDURE_LIST])

    factories.commit(run, "measure", operator)

    after = committed_versions([run_resource(run.pk), run_resource(other.pk), PROCEDURE_LIST])
    bumped = {resource for resource in after if after[resource] != before[resource]}
    assert bumped == {run_resource(run.pk)}


def test_a_row_that_was_lost_is_born_again_above_every_number_it_had(procedure: Procedure) -> None:
    before = committed_version(GIBSON) or 0
    execute("DELETE FROM resource_version")

    procedure.save()

    assert (committed_version(GIBSON) or 0) > before


def test_the_settled_version_is_the_one_that_the_commit_makes_visible(procedure: Procedure) -> None:
    with transaction.atomic():
        procedure.save()
        settled = settled_version(GIBSON)

    assert settled == committed_version(GIBSON)


def test_a_snapshot_sees_nothing_that_is_committed_meanwhile(
    procedure: Procedure, elsewhere: Callable[..., object]
) -> None:
    with one_snapshot():
        before = committed_version(GIBSON)
        elsewhere(procedure.save)

        assert committed_version(GIBSON) == before
    assert committed_version(GIBSON) != before


def test_nothing_can_be_written_in_a_snapshot(procedure: Procedure) -> None:
    with pytest.raises(DatabaseError), one_snapshot():
        procedure.save()


def test_after_a_snapshot_its_connection_writes_as_before(procedure: Procedure) -> None:
    for error in (None, RuntimeError()):
        with suppress(RuntimeError), one_snapshot():
            committed_version(GIBSON)
            if error:
                raise error

        with transaction.atomic(), connection.cursor() as cursor:
            procedure.save()
            cursor.execute("SHOW transaction_isolation")
            assert cursor.fetchone() == ("read committed",)


@pytest.mark.parametrize("elsewhere", ["raised_since = raised_since - interval '1 day'", "raised_in = 0"])
def test_on_another_server_or_in_another_table_the_next_version_is_the_clocks_and_then_it_counts_by_one(
    procedure: Procedure, elsewhere: str
) -> None:
    def write() -> None:
        Procedure.objects.update(tags=[])

    execute(f"UPDATE resource_version SET version = version - 3600000, {elsewhere}")  # noqa: S608

    _, jump = bumps_of(write)

    assert jump > 3_600_000
    assert bumps_of(write) == (1, 1)


def test_a_transaction_bumps_although_one_of_another_server_with_its_number_bumped_before(procedure: Procedure) -> None:
    def write() -> None:
        with transaction.atomic():
            execute(
                "UPDATE resource_version SET raised_by = pg_current_xact_id(),"
                " raised_since = raised_since - interval '1 day'"
            )
            Procedure.objects.update(tags=[])

    assert min(bumps_of(write)) > 0


def test_a_clock_that_is_behind_lets_no_version_go_back(procedure: Procedure) -> None:
    def write() -> None:
        Procedure.objects.update(tags=[])
        execute("SET CONSTRAINTS ALL IMMEDIATE")

    with transaction.atomic():
        execute("UPDATE resource_version SET version = version + 3600000, raised_in = 0, raised_by = '1'")
        assert bumps_of(write) == (1, 1)
        transaction.set_rollback(True)
