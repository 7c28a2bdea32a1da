"""The system checks, each against a project that has forgotten what it looks for."""

from typing import Any
from unittest.mock import patch

import pytest
from django.core.checks import CheckMessage, Tags, run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from versioned_cache.checks import check_triggers
from versioned_cache.configuration import redis_caches
from versioned_cache.keys import ResourceKind, kinds
from versioned_cache.reads import declared_reads

pytestmark = pytest.mark.django_db


def found(*tags: str, databases: list[str] | None = None) -> list[CheckMessage]:
    """Return what our checks of these tags say."""
    messages = run_checks(tags=tags, databases=databases)
    return [message for message in messages if str(message.id).startswith("versioned_cache.")]


def ids(messages: list[CheckMessage]) -> list[str | None]:
    """Return the ids of messages."""
    return [message.id for message in messages]


# What the settings and the declarations say


def test_a_project_that_has_said_everything_is_told_nothing() -> None:
    assert found(Tags.caches, Tags.compatibility) == []


@pytest.mark.parametrize("alias", ["default", "bumps", "payloads"])
def test_a_missing_entry_of_the_caches_is_an_error(settings: Any, alias: str) -> None:
    settings.CACHES = {name: entry for name, entry in settings.CACHES.items() if name != alias}

    (message,) = found(Tags.caches)

    assert message.id == "versioned_cache.E001"
    assert repr(alias) in message.msg
    assert "redis_caches" in (message.hint or "")


@pytest.mark.parametrize("alias", ["default", "bumps", "payloads"])
@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("PARSER_CLASS", "versioned_cache.E002"),
        ("SOCKET_TIMEOUT", "versioned_cache.E003"),
        ("SOCKET_CONNECT_TIMEOUT", "versioned_cache.E003"),
    ],
)
def test_a_missing_option_of_an_entry_is_an_error(settings: Any, alias: str, option: str, expected: str) -> None:
    caches = redis_caches(settings.REDIS_URL, client_name="forgetful")
    del caches[alias]["OPTIONS"][option]
    settings.CACHES = caches

    (message,) = found(Tags.caches)

    assert message.id == expected
    assert f"CACHES[{alias!r}]" in message.msg


def test_an_entry_of_another_backend_lacks_everything(settings: Any) -> None:
    settings.CACHES = {**settings.CACHES, "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

    assert ids(found(Tags.caches)) == ["versioned_cache.E002", "versioned_cache.E003"]


def test_requests_that_are_transactions_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    (message,) = found(Tags.caches)

    assert message.id == "versioned_cache.W002"
    assert not message.is_serious()


def test_a_project_that_caches_nothing_is_warned() -> None:
    with patch.dict(kinds, clear=True):
        (message,) = found(Tags.compatibility)

    assert message.id == "versioned_cache.W001"
    assert not message.is_serious()


def test_a_kind_that_nothing_reads_is_an_error() -> None:
    with patch.dict(declared_reads):
        del declared_reads["run"]
        (message,) = found(Tags.compatibility)

    assert message.id == "versioned_cache.E008"
    assert "procedures:run:{run_id}" in message.msg


# What the database has


def execute(statements: str) -> None:
    """Run raw SQL."""
    with connection.cursor() as cursor:
        cursor.execute(statements)


def found_in_database() -> list[CheckMessage]:
    """Return what our checks say of the database."""
    return found(Tags.database, databases=["default"])


def test_a_migrated_database_is_told_nothing() -> None:
    assert found_in_database() == []


def test_the_command_refuses_a_database_that_misses_changes() -> None:
    execute("ALTER TABLE runs_run DISABLE TRIGGER run_raises_version")

    with pytest.raises(CommandError, match="run_raises_version of runs_run does not always fire"):
        call_command("check", databases=["default"])


@pytest.mark.parametrize("databases", [None, [], ["other"]])
def test_the_database_is_asked_only_on_request(databases: list[str] | None) -> None:
    execute("ALTER TABLE runs_run DISABLE TRIGGER run_raises_version")

    assert check_triggers(None, databases) == []


@pytest.mark.parametrize("state", ["DISABLE TRIGGER", "ENABLE TRIGGER", "ENABLE REPLICA TRIGGER"])
@pytest.mark.parametrize("trigger", ["run_raises_version", "run_truncation_raises_versions"])
def test_a_trigger_that_does_not_fire_always_is_an_error_until_its_hint_is_followed(state: str, trigger: str) -> None:
    execute(f"ALTER TABLE runs_run {state} {trigger}")

    (message,) = found_in_database()

    assert message.id == "versioned_cache.E004"
    execute(str(message.hint))
    assert found_in_database() == []


def test_all_triggers_as_pg_restore_leaves_them_are_errors() -> None:
    for table in ("procedures_procedure", "runs_run", "runs_runevent"):
        execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL; ALTER TABLE {table} ENABLE TRIGGER ALL")

    assert ids(found_in_database()) == ["versioned_cache.E004"] * 6


def test_a_kind_that_no_table_is_watched_for_is_an_error() -> None:
    forgotten = ResourceKind("book", "books:book:{slug}")
    with patch.dict(kinds, {"book": forgotten}):
        (message,) = found_in_database()

    assert message.id == "versioned_cache.E005"
    assert "books:book:{slug}" in message.msg
    assert "WatchTable" in (message.hint or "")


@pytest.mark.parametrize("key", ["procedures:lis", "procedures:procedure:gibson", "procedures:run:x:{id}"])
def test_a_kind_whose_key_only_resembles_a_watched_one_is_an_error(key: str) -> None:
    with patch.dict(kinds, {"book": ResourceKind("book", key)}):
        assert ids(found_in_database()) == ["versioned_cache.E005"]


@pytest.mark.parametrize(
    ("table", "trigger", "expected"),
    [
        # The only trigger that calls its function; the table is still watched for other events.
        ("procedures_procedure", "procedure_raises_versions", ["versioned_cache.E006", "versioned_cache.E007"]),
        # One of two tables of a kind.
        ("runs_runevent", "event_raises_version", ["versioned_cache.E006", "versioned_cache.E007"]),
        # Another table's trigger calls its function too.
        ("runs_runevent", "event_truncation_raises_versions", ["versioned_cache.E007"]),
    ],
)
def test_a_dropped_trigger_is_an_error(table: str, trigger: str, expected: list[str]) -> None:
    execute(f"DROP TRIGGER {trigger} ON {table}")

    messages = found_in_database()

    assert ids(messages) == expected
    assert f"No trigger of {table}" in messages[-1].msg


def test_a_trigger_that_misses_an_event_is_an_error() -> None:
    execute(
        "DROP TRIGGER run_raises_version ON runs_run;"
        "CREATE TRIGGER run_raises_version AFTER INSERT OR UPDATE ON runs_run"
        " FOR EACH ROW EXECUTE FUNCTION runs_raise_version();"
        "ALTER TABLE runs_run ENABLE ALWAYS TRIGGER run_raises_version"
    )

    (message,) = found_in_database()

    assert message.id == "versioned_cache.E007"
    assert "runs_run bumps versions on DELETE:" in message.msg


def test_nothing_is_said_while_a_migration_may_bring_what_is_missing() -> None:
    """The command `migrate` runs the checks of the database first, and would refuse to mend it."""
    execute("DROP TRIGGER run_raises_version ON runs_run")
    (newest,) = MigrationLoader(connection).graph.leaf_nodes("runs")
    MigrationRecorder(connection).record_unapplied(*newest)

    assert found_in_database() == []
