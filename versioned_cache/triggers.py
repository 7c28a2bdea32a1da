"""The migration operation that watches a table: whatever writes its rows bumps the versions of what shows them.

Deferred constraint triggers see what signals miss: bulk updates, raw SQL, COPY, cascades, psql. They are ENABLE ALWAYS,
since replication roles (a restore, logical apply) skip ordinary ones, and their functions find the cache's own
in the schema they were made in, whatever the search_path of who writes.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

TEMPLATE = """
CREATE FUNCTION {table}_bump_versions() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        {bumps_of_old};
    END IF;
    IF TG_OP <> 'DELETE' THEN
        {bumps_of_new};
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION {table}_bump_all_versions() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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

REVERSAL = """
DROP TRIGGER {table}_truncation_bumps_versions ON {table};
DROP TRIGGER {table}_bumps_versions ON {table};
DROP FUNCTION {table}_bump_all_versions();
DROP FUNCTION {table}_bump_versions();
"""

NAME = re.compile(r"(?P<beginning>[\w:.-]+?)(?:\{(?P<column>[a-z_]+)\})?", re.ASCII)


class WatchTable(Operation):
    """Bump the versions of resources in every transaction that writes a table.

    Args:
        table: The table; lower-case letters, digits and underscores.
        resources: The names of the resources that show its rows, as their kinds spell them. A column of the
            row stands where the kind has its identifier: `["books:list", "books:book:{slug}"]`.
    """

    reversible = True

    def __init__(self, table: str, resources: Sequence[str]) -> None:
        self.table = table
        self.resources = list(resources)

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change no model."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Make the triggers, and a version for everything that the table has already."""
        schema_editor.execute(
            TEMPLATE.format(
                table=self.table,
                bumps_of_old=self._bumps_of_row("OLD"),
                bumps_of_new=self._bumps_of_row("NEW"),
                bumps_of_all=self._bumps_of_all(),
            )
        )
        for beginning, column in self._names():
            rows = f" || {column} FROM {self.table}" if column else ""
            schema_editor.execute(f"SELECT raise_resource_version('{beginning}'{rows})")

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Remove the triggers; the versions stay."""
        schema_editor.execute(REVERSAL.format(table=self.table))

    def describe(self) -> str:
        return f"Bump {', '.join(self.resources)} whenever {self.table} is written"

    def _names(self) -> Iterator[tuple[str, str | None]]:
        """Yield the beginning of each name, and the column that completes it."""
        for resource in self.resources:
            name = NAME.fullmatch(resource)
            if name is None:
                raise ValueError(f"{resource!r} is no name of resources.")
            yield name["beginning"], name["column"]

    def _bumps_of_row(self, row: str) -> str:
        return ";\n        ".join(
            f"PERFORM raise_resource_version('{beginning}'{f' || {row}.{column}' if column else ''})"
            for beginning, column in self._names()
        )

    def _bumps_of_all(self) -> str:
        return ";\n    ".join(
            f"PERFORM raise_resource_versions_like('{beginning}%')"
            if column
            else f"PERFORM raise_resource_version('{beginning}')"
            for beginning, column in self._names()
        )
