"""System checks: what a project has forgotten to say, before a request finds out (`manage.py check`)."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.core import checks
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from versioned_cache.configuration import BUMPS, PARSER, PAYLOADS, READS
from versioned_cache.keys import kinds
from versioned_cache.reads import declared_reads

DATABASE = "default"

REDIS_CACHES_HINT = "Set CACHES = redis_caches(url, client_name), of versioned_cache.configuration."
KINDS_HINT = "Register kinds of resource in the module `caches` of an app."
READS_HINT = "Declare it in the module `caches` of an app: versioned_cache.reads.declare."
TRANSACTIONS_HINT = "Leave ATOMIC_REQUESTS out; writes that need a transaction open one."
WATCH_HINT = "Add versioned_cache.triggers.WatchTable to a migration."
RESTORE_HINT = "Make it again as its migration does; versioned_cache.triggers.WatchTable has the statements."

# A function bumps versions if it calls one of the cache's own. It stays when its trigger is gone.
FUNCTIONS = r"""
SELECT function.oid::regprocedure::text, function.prosrc,
       watching.tgname, watching.tgrelid::regclass::text, watching.tgtype, watching.tgenabled = 'A'
FROM pg_proc function LEFT JOIN pg_trigger watching ON watching.tgfoid = function.oid
WHERE function.prorettype = 'trigger'::regtype
  AND function.prosrc ~ '\mraise_resource_version(s_like)?\('
ORDER BY 1, 4, 3
"""

# The bits of pg_trigger.tgtype (src/include/catalog/pg_trigger.h of PostgreSQL).
EVENTS = {"INSERT": 1 << 2, "DELETE": 1 << 3, "UPDATE": 1 << 4, "TRUNCATE": 1 << 5}


class Watch(NamedTuple):
    """A function that bumps versions, and a trigger that calls it; without one, the trigger's members are None."""

    function: str
    source: str
    trigger: str | None
    table: str | None
    type: int | None
    is_always_enabled: bool | None


@checks.register(checks.Tags.caches)
def check_caches(app_configs: Any, **_options: Any) -> list[checks.CheckMessage]:
    """Find entries of `CACHES` that are missing, or whose operations would have no time limit."""
    return [error for alias in (READS, BUMPS, PAYLOADS) for error in _errors_of_alias(alias)]


@checks.register(checks.Tags.compatibility)
def check_declarations(app_configs: Any, **_options: Any) -> list[checks.CheckMessage]:
    """Find a project that caches nothing, and kinds that nothing reads."""
    if not kinds:
        return [checks.Warning("Nothing is cached.", KINDS_HINT, id="versioned_cache.W001")]
    return [
        checks.Error(
            f"{kind.key} has no cached read, so no audit can look at it.", READS_HINT, id="versioned_cache.E008"
        )
        for kind in kinds.values()
        if kind.label not in declared_reads
    ]


@checks.register(checks.Tags.caches)
def check_transactions(app_configs: Any, **_options: Any) -> list[checks.CheckMessage]:
    """Find a project whose reads all bypass the cache, since each request is a transaction."""
    if not settings.DATABASES[DATABASE].get("ATOMIC_REQUESTS"):
        return []
    message = "ATOMIC_REQUESTS is set: reads inside a transaction bypass the cache."
    return [checks.Warning(message, TRANSACTIONS_HINT, id="versioned_cache.W002")]


@checks.register(checks.Tags.database)
def check_triggers(
    app_configs: Any, databases: Sequence[str] | None = None, **_options: Any
) -> list[checks.CheckMessage]:
    """Find writes that would bump no version: what `check --database default` asks the database.

    Nothing is said before all migrations are applied: `migrate` asks too, and one of them may bring what is missing.
    """
    if DATABASE not in (databases or []):
        return []
    executor = MigrationExecutor(connections[DATABASE])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return []
    with connections[DATABASE].cursor() as cursor:
        return faults_of_triggers(cursor)


def faults_of_triggers(cursor: Any) -> list[checks.CheckMessage]:
    """Find writes that would bump no version, in a database to which all migrations are applied."""
    cursor.execute(FUNCTIONS)
    watches = [Watch(*row) for row in cursor.fetchall()]
    return [*_errors_of_kinds(watches), *_errors_of_triggers(watches), *_errors_of_tables(watches)]


def _errors_of_alias(alias: str) -> Iterator[checks.CheckMessage]:
    entry = settings.CACHES.get(alias)
    if entry is None:
        yield checks.Error(f"CACHES has no entry {alias!r}.", REDIS_CACHES_HINT, id="versioned_cache.E001")
        return
    options = entry.get("OPTIONS", {})
    if options.get("PARSER_CLASS") != PARSER:
        message = f"CACHES[{alias!r}] has another PARSER_CLASS than {PARSER}: its operations would have no deadline."
        yield checks.Error(message, REDIS_CACHES_HINT, id="versioned_cache.E002")
    if not options.get("SOCKET_TIMEOUT") or not options.get("SOCKET_CONNECT_TIMEOUT"):
        message = f"CACHES[{alias!r}] has no SOCKET_TIMEOUT or no SOCKET_CONNECT_TIMEOUT."
        yield checks.Error(message, REDIS_CACHES_HINT, id="versioned_cache.E003")


def _errors_of_kinds(watches: Sequence[Watch]) -> Iterator[checks.CheckMessage]:
    """Find kinds that no table was ever watched for."""
    for kind in kinds.values():
        if not any(f"'{kind.beginning}'" in watch.source for watch in watches):
            message = f"No trigger bumps {kind.key}: its cached bodies would go out of date."
            yield checks.Error(message, WATCH_HINT, id="versioned_cache.E005")


def _errors_of_triggers(watches: Sequence[Watch]) -> Iterator[checks.CheckMessage]:
    """Find triggers that were dropped, or that do not always fire."""
    for watch in watches:
        if watch.trigger is None:
            message = f"No trigger calls {watch.function}: changes would go unnoticed."
            yield checks.Error(message, RESTORE_HINT, id="versioned_cache.E006")
        elif not watch.is_always_enabled:
            message = f"The trigger {watch.trigger} of {watch.table} does not always fire: changes would go unnoticed."
            hint = f"ALTER TABLE {watch.table} ENABLE ALWAYS TRIGGER {watch.trigger}"
            yield checks.Error(message, hint, id="versioned_cache.E004")


def _errors_of_tables(watches: Sequence[Watch]) -> Iterator[checks.CheckMessage]:
    """Find tables that are watched for some events and not for others."""
    types: dict[str, int] = {}
    for watch in watches:
        if watch.table is not None and watch.type is not None:
            types[watch.table] = types.get(watch.table, 0) | watch.type
    for table, type_ in types.items():
        if missed := [event for event, bit in EVENTS.items() if not type_ & bit]:
            message = f"No trigger of {table} bumps versions on {', '.join(missed)}: changes would go unnoticed."
            yield checks.Error(message, RESTORE_HINT, id="versioned_cache.E007")
