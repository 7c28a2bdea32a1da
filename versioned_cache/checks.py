"""System checks: what a project has forgotten to say, before a request finds out (`manage.py check`)."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import connections

from versioned_cache.configuration import BUMPS, PARSER, READS
from versioned_cache.keys import kinds

REDIS_CACHES_HINT = "Set CACHES = redis_caches(url, client_name), of versioned_cache.configuration."

# A trigger that bumps versions is one whose function calls the cache's own.
TRIGGERS = """
SELECT watched.tgrelid::regclass::text, watched.tgname, watched.tgenabled, function.prosrc
FROM pg_trigger watched JOIN pg_proc function ON function.oid = watched.tgfoid
WHERE function.prosrc LIKE '%bump\\_resource\\_version(%'
"""


@checks.register(checks.Tags.caches)
def check_caches(app_configs: Any, **_options: Any) -> list[checks.CheckMessage]:
    """Find entries of `CACHES` that are missing, or whose operations would have no time limit."""
    return [error for alias in (READS, BUMPS) for error in _errors_of_alias(alias)]


@checks.register(checks.Tags.compatibility)
def check_kinds(app_configs: Any, **_options: Any) -> list[checks.CheckMessage]:
    """Find a project that caches nothing."""
    if kinds:
        return []
    hint = "Register kinds of resource in the module `caches` of an app."
    return [checks.Warning("Nothing is cached.", hint, id="versioned_cache.W001")]


@checks.register(checks.Tags.database)
def check_triggers(
    app_configs: Any, databases: Sequence[str] | None = None, **_options: Any
) -> list[checks.CheckMessage]:
    """Find kinds that no trigger bumps, and triggers that do not fire always (`check --database default`)."""
    if not databases or "default" not in databases:
        return []
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT to_regclass('resource_version')")
        if cursor.fetchone() == (None,):
            return []  # not migrated yet
        cursor.execute(TRIGGERS)
        triggers = cursor.fetchall()
    return [*_errors_of_triggers(triggers), *_errors_of_kinds([source for *_, source in triggers])]


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


def _errors_of_triggers(triggers: Sequence[tuple[str, str, str, str]]) -> Iterator[checks.CheckMessage]:
    for table, name, enabled, _source in triggers:
        if enabled != "A":
            message = f"The trigger {name} of {table} does not fire always: changes can go unnoticed."
            hint = f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}"
            yield checks.Error(message, hint, id="versioned_cache.E004")


def _errors_of_kinds(sources: Sequence[str]) -> Iterator[checks.CheckMessage]:
    for kind in kinds.values():
        if not any(f"'{kind.beginning}'" in source for source in sources):
            message = f"No trigger bumps {kind.key}: its cached bodies would go out of date."
            hint = "Add versioned_cache.triggers.WatchTable to a migration."
            yield checks.Error(message, hint, id="versioned_cache.E005")
