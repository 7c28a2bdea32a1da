"""A migration that makes indexes beside writes runs in no transaction: if interrupted, it is simply repeated."""

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

MIGRATIONS = [
    ("access", "0004_indexes_of_the_history"),
    ("procedures", "0009_index_of_tags"),
    ("procedures", "0010_indexes_of_lists"),
    ("runs", "0010_index_of_unusual_events"),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("migration", MIGRATIONS, ids=".".join)
def test_a_migration_whose_indexes_are_there_already_makes_them_anew(migration: tuple[str, str]) -> None:
    loader = MigrationLoader(connection)
    before = loader.project_state([migration], at_end=False)

    with connection.schema_editor(atomic=False) as editor:
        loader.get_migration(*migration).apply(before, editor)

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_index WHERE NOT (indisvalid AND indisready)")
        assert cursor.fetchone() == (0,)
