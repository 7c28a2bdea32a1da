"""The migration operation that fixes where functions look names up, whoever calls them.

A subscriber of logical replication and pg_restore write with an empty search_path; anybody else may have any other.
"""

from collections.abc import Sequence
from typing import Any

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation, OperationCategory
from django.db.migrations.state import ProjectState

# The schema that a migration makes its tables in. Temporary tables come last, so that nobody can put one before ours.
FIX = """
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION {function} SET search_path = pg_catalog, %I, pg_temp', current_schema());
END $$
"""


def fixed(function: str) -> str:
    """Return the statement that fixes the path of a function, named with the types of its arguments."""
    return FIX.format(function=function)


class FixSearchPath(Operation):
    """Let functions find our tables and functions whatever the search_path of their caller.

    Args:
        functions: The functions, with the types of their arguments: `["raise_resource_version(text)"]`.
    """

    reversible = True
    category = OperationCategory.SQL

    def __init__(self, functions: Sequence[str]) -> None:
        self.functions = list(functions)

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Change no model."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        self._execute(app_label, schema_editor, [fixed(function) for function in self.functions])

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        statements = [f"ALTER FUNCTION {function} RESET search_path" for function in self.functions]
        self._execute(app_label, schema_editor, statements)

    def describe(self) -> str:
        return f"Fix the search_path of {', '.join(self.functions)}"

    @staticmethod
    def _execute(app_label: str, schema_editor: BaseDatabaseSchemaEditor, statements: Sequence[str]) -> None:
        if router.allow_migrate(schema_editor.connection.alias, app_label):
            for statement in statements:
                schema_editor.execute(statement, params=None)  # so that % stands for itself
