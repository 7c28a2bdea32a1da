"""The system check of the database: what `manage.py check --database default` and `migrate` say about triggers."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connection

from procedures_project.postgresql.inspection import missing_migrations
from procedures_project.postgresql.objects import faults_of_objects

HINT = "manage.py check_database --mend"


@checks.register(checks.Tags.database)
def check_objects(
    app_configs: Any, databases: Sequence[str] | None = None, **_options: Any
) -> list[checks.CheckMessage]:
    """Find functions and triggers that are missing, not what the migrations make, or disabled.

    Nothing is said before all migrations are applied: one of them may bring what is missing.
    """
    if DEFAULT_DB_ALIAS not in (databases or []):
        return []
    with connection.cursor() as cursor:
        if missing_migrations(cursor):
            return []
        return [checks.Error(f"{fault.text}.", HINT, id="procedures.E001") for fault in faults_of_objects(cursor)]
