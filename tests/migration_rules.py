"""What a migration may do while the code before it serves. `make check` runs `python -m tests.migration_rules`.

In a deploy, old and new code overlap: a migration must leave the old code what it reads and writes, and must not keep
its requests waiting for a lock longer than a moment. An operation is refused unless a rule knows that it does neither.
What the rules cannot read, SQL and Python, says in the migration's docstring what it locks and for how long, on a line
that begins with "Locks:".

django-migration-linter reads the SQL instead, with patterns. It finds no CHECK that scans an existing table, and of the
indexes of a migration it judges the first one only.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import django
from django.contrib.postgres import operations as postgres
from django.db import connection, models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.models import ModelOperation
from django.db.migrations.state import ProjectState
from django.db.models.expressions import Expression, Value
from django.db.models.functions import Now

from versioned_cache.search_path import FixSearchPath
from versioned_cache.triggers import WatchTable

APPS = ("access", "procedures", "runs", "versioned_cache")

# These landed before the rules did, so they are not changed any more; why each did no harm, or whom it kept waiting.
EXCEPTIONS = {
    "procedures.0002_version_triggers": "of the first release: the tables are new",
    "procedures.0003_published_is_immutable": "of the first release: the tables are new",
    "procedures.0004_receipts_are_append_only": "makes two triggers: writes of receipts wait for a moment",
    "runs.0002_version_triggers": "of the first release: the tables are new",
    "runs.0003_ledger_is_append_only": "of the first release: the tables are new",
    "runs.0005_words": "makes a trigger on runs_run: starts of runs wait for a moment",
    "runs.0006_words_of_old_runs": "reads runs_run and writes a table that no old code reads: nobody waits",
    "runs.0008_receipts": "makes triggers on a table that it has made",
    "versioned_cache.0001_resource_version": "of the first release: the table is new",
    "versioned_cache.0002_versions_know_their_server": "writes every row: whoever writes waits until it has",
}

NOTE = re.compile(r"^Locks: \S", re.MULTILINE)

Rule = Callable[[Any, str, ProjectState], Iterable[str]]


def faults_of(steps: Iterable[Operation], app_label: str, before: ProjectState, docstring: str) -> Iterator[str]:
    """Yield what is wrong with the operations of a migration, a line each.

    Args:
        steps: The operations.
        app_label: Whose they are.
        before: The models as they are before.
        docstring: The migration's own.
    """
    state = before.clone()
    new_models: set[str] = set()
    not_valid: set[str] = set()
    for step in steps:
        parts = step.database_operations if isinstance(step, operations.SeparateDatabaseAndState) else [step]
        for part in parts:
            if isinstance(part, operations.CreateModel):
                new_models.add(part.name_lower)
            if _model_of(part) in new_models:
                continue
            if isinstance(part, postgres.AddConstraintNotValid):
                not_valid.add(part.constraint.name)
            elif isinstance(part, postgres.ValidateConstraint) and part.name in not_valid:
                yield f"{part.describe()}: the lock that adding took is kept meanwhile: in the next migration"
            for fault in _faults_of_part(part, app_label, state, docstring):
                yield f"{part.describe()}: {fault}"
        step.state_forwards(app_label, state)


def _model_of(operation: Operation) -> str | None:
    name = operation.name if isinstance(operation, ModelOperation) else getattr(operation, "model_name", None)
    return name.lower() if name else None


def _faults_of_part(operation: Operation, app_label: str, state: ProjectState, docstring: str) -> Iterator[str]:
    if type(operation) in UNREADABLE:
        if not operation.reversible:
            yield "give its reverse, or noop where nothing is to be taken back"
        if not NOTE.search(docstring):
            yield 'say in the docstring what it locks and for how long: "Locks: …"'
    elif (rule := RULES.get(type(operation))) is not None:
        yield from rule(operation, app_label, state)
    elif type(operation) not in HARMLESS:
        yield "no rule knows that it is harmless"


def _refused(reason: str) -> Rule:
    return lambda *_: [reason]


def _added_field(operation: operations.AddField, _app_label: str, _state: ProjectState) -> Iterator[str]:
    field: Any = operation.field
    if field.many_to_many:  # a table of its own
        return
    if isinstance(field, models.GeneratedField) or _may_differ_by_row(field.db_default):
        yield "the table is rewritten under a lock: null=True, and filled later"
    elif not field.null and not field.has_db_default():
        yield "the old code inserts rows without it: null=True, or a db_default"
    if field.db_index or field.unique:
        yield "its index is made under a lock: db_index=False, then AddIndexConcurrently"


def _may_differ_by_row(db_default: Any) -> bool:
    return isinstance(db_default, Expression) and not isinstance(db_default, Value | Now)


def _added_constraint(operation: operations.AddConstraint, _app_label: str, _state: ProjectState) -> Iterator[str]:
    if isinstance(operation.constraint, models.CheckConstraint):
        yield "the table is looked through under a lock: AddConstraintNotValid, then ValidateConstraint in the next one"
    else:
        yield "its index is made under a lock: CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … USING INDEX"


def _altered_field(operation: operations.AlterField, app_label: str, state: ProjectState) -> Iterator[str]:
    model = state.apps.get_model(app_label, operation.model_name)
    before: Any = model._meta.get_field(operation.name)
    after_state = state.clone()
    operation.state_forwards(app_label, after_state)
    after: Any = after_state.apps.get_model(app_label, operation.model_name)._meta.get_field(operation.name)
    if before.db_parameters(connection) != after.db_parameters(connection):
        yield "the table is rewritten or looked through under a lock: add a column of the new type, and fill it later"
    if before.column != after.column:
        yield RENAMED
    if before.null and not after.null:
        yield "the old code writes NULL, and the table is looked through under a lock: a CHECK, NOT VALID first"
    if (after.db_index and not before.db_index) or (after.unique and not before.unique):
        yield "its index is made under a lock: AddIndexConcurrently"


RENAMED = "the old code uses the old name: keep it (db_column, db_table), or add, fill and remove in three releases"
REMOVED = "the old code reads it: take it out of the state now, and remove it a release later, as an exception"

RULES: dict[type[Operation], Rule] = {
    operations.AddConstraint: _added_constraint,
    operations.AddField: _added_field,
    operations.AddIndex: _refused("writes wait until it is made: AddIndexConcurrently"),
    operations.AlterField: _altered_field,
    operations.AlterModelTable: _refused(RENAMED),
    operations.DeleteModel: _refused(REMOVED),
    operations.RemoveField: _refused(REMOVED),
    operations.RemoveIndex: _refused("it waits for everybody, and everybody for it: RemoveIndexConcurrently"),
    operations.RenameField: _refused(RENAMED),
    operations.RenameModel: _refused(RENAMED),
}
UNREADABLE = {operations.RunPython, operations.RunSQL, WatchTable}
# They touch no row of an existing table, and hold a lock for as long as its catalogue takes.
HARMLESS = {
    FixSearchPath,
    operations.AlterModelManagers,
    operations.AlterModelOptions,
    operations.AlterModelTableComment,
    operations.CreateModel,
    operations.RemoveConstraint,
    operations.RenameIndex,
    postgres.AddConstraintNotValid,
    postgres.AddIndexConcurrently,
    postgres.RemoveIndexConcurrently,
    postgres.ValidateConstraint,
}


def faults_of_all(exceptions: dict[str, str]) -> Iterator[str]:
    """Yield what is wrong with this project's migrations, and which exceptions nothing needs."""
    loader = MigrationLoader(None)
    needless = set(exceptions)
    for (app_label, name), migration in sorted(loader.disk_migrations.items()):
        if app_label not in APPS:
            continue
        before = loader.project_state((app_label, name), at_end=False)
        faults = list(faults_of(migration.operations, app_label, before, _docstring_of(migration)))
        label = f"{app_label}.{name}"
        if label in exceptions and faults:
            needless.discard(label)
        else:
            yield from (f"{label}: {fault}" for fault in faults)
    yield from (f"{label}: needs no exception" for label in sorted(needless))


def _docstring_of(migration: Migration) -> str:
    return inspect.getdoc(inspect.getmodule(type(migration))) or ""


if __name__ == "__main__":
    django.setup()
    sys.exit("\n".join(faults_of_all(EXCEPTIONS)) or None)
