"""Whether a database is what this code needs: what `check_database` looks at, and what a probe can afford."""

from collections.abc import Iterator
from functools import cache as once
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from procedures.caches import PROCEDURE_LIST, procedure_resource
from procedures_project.postgresql.objects import Fault, faults_of_objects
from runs.caches import run_resource

APPLIED = "SELECT app, name FROM django_migrations"

# What has a version, by the statement that makes a missing one.
VERSIONS = {
    "the list": f"SELECT '{PROCEDURE_LIST.name}' AS name",
    "procedures": f"SELECT '{procedure_resource.beginning}' || key AS name FROM procedures_procedure",  # noqa: S608  # constants
    "runs": f"SELECT '{run_resource.beginning}' || id AS name FROM runs_run",  # noqa: S608
}
WITHOUT_VERSION = (
    "FROM ({names}) named WHERE NOT EXISTS (SELECT FROM resource_version WHERE resource_version.resource = named.name)"
)

# Capitals depend on the server's libraries, and may change with them.
OUTDATED_GRAMS = """
FROM procedures_procedure LEFT JOIN procedures_proceduregrams ON procedure_id = id
WHERE grams IS DISTINCT FROM procedures_grams_of(id)
"""
NOTE_GRAMS = f"""
SELECT procedures_note_grams(id)
FROM (SELECT id {OUTDATED_GRAMS} FOR NO KEY UPDATE OF procedures_procedure) outdated
"""  # noqa: S608  # all of it stands above

NOT_VALID = """
SELECT 'constraint ' || conname || ' of ' || conrelid::regclass,
       format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND NOT convalidated
UNION ALL
SELECT 'index ' || indexrelid::regclass || ' of ' || indrelid::regclass,
       format('REINDEX INDEX %s', indexrelid::regclass)
FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = current_schema()::regnamespace AND NOT (indisvalid AND indisready)
ORDER BY 1
"""


def missing_migrations(cursor: Any) -> list[str]:
    """Return the migrations of this code that a database has not applied; all of them, if it is empty."""
    cursor.execute("SELECT to_regclass('django_migrations')")
    applied = set()
    if cursor.fetchone() != (None,):
        cursor.execute(APPLIED)
        applied = set(cursor.fetchall())
    return sorted(f"{app}.{name}" for app, name in _migrations_of_this_code() - applied)


def faults_of_database() -> list[Fault]:
    """Find everything that is known to go wrong with a database; where migrations are missing, only these."""
    with connection.cursor() as cursor:
        if missing := missing_migrations(cursor):
            return [Fault(f"migration {name}: not applied") for name in missing]
        return [
            *faults_of_objects(cursor),
            *_faults_of_versions(cursor),
            *_faults_of_grams(cursor),
            *_faults_of_validity(cursor),
            *_faults_of_models(cursor),
        ]


def _faults_of_versions(cursor: Any) -> Iterator[Fault]:
    for what, names in VERSIONS.items():
        rows = WITHOUT_VERSION.format(names=names)
        cursor.execute(f"SELECT count(*) {rows}")  # all of it stands above
        (count,) = cursor.fetchone()
        if count:
            mending = f"SELECT raise_resource_version(name) {rows}"
            yield Fault(f"resource_version: no row for {count} of {what}, so they are not cached", (mending,))


def _faults_of_grams(cursor: Any) -> Iterator[Fault]:
    cursor.execute("SELECT to_regprocedure('procedures_grams_of(bigint)')")
    if cursor.fetchone() == (None,):  # which is a fault of its own
        return
    cursor.execute(f"SELECT count(*) {OUTDATED_GRAMS}")  # all of it stands above
    (count,) = cursor.fetchone()
    if count:
        yield Fault(f"procedures_proceduregrams: wrong for {count} of procedures, so not all are found", (NOTE_GRAMS,))


def _faults_of_validity(cursor: Any) -> Iterator[Fault]:
    cursor.execute(NOT_VALID)
    for what, mending in cursor.fetchall():
        yield Fault(f"{what}: not valid", (mending,))


def _faults_of_models(cursor: Any) -> Iterator[Fault]:
    """Find constraints and indexes that models declare and tables lack, such as after half a restore."""
    for model in apps.get_models():
        options = model._meta  # Django documents it
        if not options.managed or options.proxy:
            continue
        table = options.db_table
        found = connection.introspection.get_constraints(cursor, table)
        if not any(constraint["primary_key"] for constraint in found.values()):
            yield Fault(f"primary key of {table}: missing")
        for declared in (*options.constraints, *options.indexes):
            if declared.name not in found:
                yield Fault(f"{declared.name} of {table}: missing")
        keys = {constraint["columns"][0] for constraint in found.values() if constraint["foreign_key"]}
        for field in options.local_concrete_fields:
            if field.remote_field and getattr(field, "db_constraint", False) and field.column not in keys:
                yield Fault(f"foreign key {field.column} of {table}: missing")


@once
def _migrations_of_this_code() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)
