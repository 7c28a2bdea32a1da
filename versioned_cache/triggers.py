"""The migration operation that watches a table: whatever writes its rows bumps the versions of what shows them.

Deferred constraint triggers see what signals miss: bulk updates, raw SQL, COPY, cascades, psql. They are ENABLE ALWAYS,
since replication roles (a restore, logical apply) skip ordinary ones, and their functions find the cache's own
in the schema they were made in, whatever the search_path of who writes.
"""

from collections.abc import Sequence
from typing import Any

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation, OperationCategory
from django.db.migrations.state import ProjectState

from versioned_cache.keys import parse_key
from versioned_cache.search_path import fixed

FORWARD = """
CREATE FUNCTION {table}_bump_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        {bumps_of_old};
    END IF;
    IF TG_OP <> 'DELETE' THEN
        {bumps_of_new};
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION {table}_bump_all_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {bumps_of_all};
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER {table}_bumps_versions
    AFTER INSERT OR UPDATE OR DELETE ON {table} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION {table}_bump_versions();
CREATE TRIGGER {table}_truncation_bumps_versions
    AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {table}_bump_all_versions();
ALTER TABLE {table}
    ENABLE ALWAYS TRIGGER {table}_bumps_versions,
    ENABLE ALWAYS TRIGGER {table}_truncation_bumps_versions;
"""

BACKWARD = """
DROP TRIGGER {table}_truncation_bumps_versions ON {table};
DROP TRIGGER {table}_bumps_versions ON {table};
DROP FUNCTION {table}_bump_all_versions();
DROP FUNCTION {table}_bump_versions();
"""


class WatchTable(Operation):
    """Bump the versions of resources in every transaction that writes a table.

    Args:
        table: The table; lower-case letters, digits and underscores.
        resources: The keys of the kinds of resource that show its rows. In place of an identifier stands the
            column that has it: `["books:list", "books:book:{slug}"]`.

    Raises:
        ValueError: one of `resources` is not a key.
    """

    reversible = True
    category = OperationCategory.SQL

    def __init__(self, table: str, resources: Sequence[str]) -> None:
        self.table = table
        self.resources = list(resources)
        self._keys = [parse_key(key) for key in resources]

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change no model."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Make the triggers, and a version for everything that the table has already."""
        triggers = FORWARD.format(
            table=self.table,
            bumps_of_old=self._bumps_of_row("OLD"),
            bumps_of_new=self._bumps_of_row("NEW"),
            bumps_of_all=self._bumps_of_all(),
        )
        functions = (f"{self.table}_bump_versions()", f"{self.table}_bump_all_versions()")
        _execute(app_label, schema_editor, [triggers, *map(fixed, functions), *self._first_bumps()])

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Remove the triggers, and the versions, which nothing would bump any more.

        What another table bumps too is not cached until it is written again.
        """
        _execute(app_label, schema_editor, [BACKWARD.format(table=self.table), *self._removals()])

    def describe(self) -> str:
        return f"Bump {', '.join(self.resources)} whenever {self.table} is written"

    def _bumps_of_row(self, row: str) -> str:
        return ";\n        ".join(f"PERFORM {_bump(beginning, column, row)}" for beginning, column in self._keys)

    def _bumps_of_all(self) -> str:
        return ";\n    ".join(f"PERFORM raise_resource_versions_like('{pattern}')" for pattern in self._patterns())

    def _first_bumps(self) -> list[str]:
        rows = f"FROM {self.table}"
        return [f"SELECT {_bump(beginning, column, self.table, rows)}" for beginning, column in self._keys]

    def _removals(self) -> list[str]:
        return [
            f"DELETE FROM resource_version WHERE resource LIKE '{pattern}'"  # noqa: S608  # a key has no quotes
            for pattern in self._patterns()
        ]

    def _patterns(self) -> list[str]:
        """Return the patterns of the resources' names, as LIKE reads them."""
        return [beginning.replace("_", r"\_") + ("%" if column else "") for beginning, column in self._keys]


def _bump(beginning: str, column: str | None, row: str, rows: str = "") -> str:
    """Return the call that bumps what a row shows, or each of some rows; a column without a value names nothing."""
    if column is None:
        return f"raise_resource_version('{beginning}')"
    return f"raise_resource_version('{beginning}' || {row}.{column}) {rows} WHERE {row}.{column} IS NOT NULL"


def _execute(app_label: str, schema_editor: BaseDatabaseSchemaEditor, statements: Sequence[str]) -> None:
    """Run the statements, where the project's database routers let the app have tables."""
    if router.allow_migrate(schema_editor.connection.alias, app_label):
        for statement in statements:
            schema_editor.execute(statement, params=None)  # so that % stands for itself
