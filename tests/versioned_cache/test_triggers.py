"""A watched table: whatever writes it, by whatever way, bumps the versions of what shows its rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, router, transaction
from django.db.migrations.writer import OperationWriter

from versioned_cache.keys import ResourceKind
from versioned_cache.triggers import WatchTable
from versioned_cache.versions import committed_versions

pytestmark = pytest.mark.django_db(transaction=True)

TABLES = """
CREATE TABLE shelf_units (id integer PRIMARY KEY);
CREATE TABLE shelf_books (
    id integer PRIMARY KEY, slug text, unit_id integer REFERENCES shelf_units ON DELETE CASCADE
);
INSERT INTO shelf_units VALUES (1);
INSERT INTO shelf_books VALUES (1, 'dune', 1), (2, 'emma', NULL)
"""
NO_TABLES = "DROP TABLE shelf_books, shelf_units"

WATCH = WatchTable("shelf_books", ["shelf:list", "shelf:book:{slug}", "shelf:unit:{unit_id}"])

LIST = ResourceKind("shelf list", "shelf:list")()
BOOK = ResourceKind("shelf book", "shelf:book:{slug}")
UNIT = ResourceKind("shelf unit", "shelf:unit:{unit_id}")
SHELF = [LIST, BOOK("dune"), BOOK("emma"), UNIT(1)]


def execute(statements: str) -> None:
    """Run raw SQL, in one transaction where none is open."""
    with connection.cursor() as cursor:
        cursor.execute(statements)


@contextmanager
def watching(operation: WatchTable) -> Iterator[None]:
    """Run the operation as `migrate` does, and undo it at the end."""
    with connection.schema_editor(atomic=True) as editor:
        operation.database_forwards("shelf", editor, None, None)
    try:
        yield
    finally:
        with connection.schema_editor(atomic=True) as editor:
            operation.database_backwards("shelf", editor, None, None)


@pytest.fixture
def tables() -> Iterator[None]:
    """Books on shelves, which nobody watches."""
    execute(TABLES)
    yield
    execute(NO_TABLES)


@pytest.fixture
def watched(tables: None) -> Iterator[None]:
    """The books are watched."""
    with watching(WATCH):
        yield


def bumps_of(write: str | Callable[[], object]) -> dict[str, int]:
    """Return by how much the versions go up that do."""
    before = committed_versions(SHELF)
    execute(write) if isinstance(write, str) else write()
    after = committed_versions(SHELF)
    return {
        resource.name: after[resource] - before[resource] for resource in SHELF if after[resource] > before[resource]
    }


def named(*names: str) -> dict[str, int]:
    """Return that each of these goes up by one."""
    return dict.fromkeys((f"shelf:{name}" for name in names), 1)


def triggers_and_functions() -> set[tuple[str, str]]:
    """Return the names of all triggers and functions outside PostgreSQL's own schemas, and what they belong to."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgrelid::regclass::text FROM pg_trigger"
            " UNION ALL SELECT proname, pronamespace::regnamespace::text FROM pg_proc WHERE oid >= 16384"
        )
        return set(cursor.fetchall())


def versions_of_the_shelf() -> set[str]:
    """Return the names under `shelf:` that have a version."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT resource FROM resource_version WHERE starts_with(resource, 'shelf')")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.parametrize(
    ("statement", "bumped"),
    [
        ("UPDATE shelf_books SET slug = slug", named("list", "book:dune", "book:emma", "unit:1")),
        ("UPDATE shelf_books SET slug = slug WHERE id = 2", named("list", "book:emma")),
        ("UPDATE shelf_books SET slug = 'emma' WHERE id = 1", named("list", "book:dune", "book:emma", "unit:1")),
        ("UPDATE shelf_books SET unit_id = NULL WHERE id = 1", named("list", "book:dune", "unit:1")),
        ("UPDATE shelf_books SET slug = slug WHERE id = 9", {}),
        ("INSERT INTO shelf_books VALUES (3, 'emma', 1)", named("list", "book:emma", "unit:1")),
        ("DELETE FROM shelf_books WHERE id = 2", named("list", "book:emma")),
        ("DELETE FROM shelf_units", named("list", "book:dune", "unit:1")),  # which cascades
        ("TRUNCATE shelf_books", named("list", "book:dune", "book:emma", "unit:1")),
    ],
)  # fmt: skip
def test_a_statement_bumps_what_shows_the_rows_that_it_writes(
    watched: None, statement: str, bumped: dict[str, int]
) -> None:
    assert bumps_of(statement) == bumped


def test_copy_bumps(watched: None) -> None:
    def write() -> None:
        with connection.cursor() as cursor, cursor.copy("COPY shelf_books FROM STDIN") as copy:
            copy.write_row((3, "emma", None))

    assert bumps_of(write) == named("list", "book:emma")


def test_many_statements_of_a_transaction_bump_once(watched: None) -> None:
    @transaction.atomic
    def write() -> None:
        for _ in range(3):
            with transaction.atomic():
                execute("UPDATE shelf_books SET slug = slug WHERE id = 2; SET CONSTRAINTS ALL IMMEDIATE")

    assert bumps_of(write) == named("list", "book:emma")


def test_nothing_is_bumped_before_the_commit(watched: None, elsewhere: Callable[..., dict[object, int]]) -> None:
    before = committed_versions(SHELF)

    with transaction.atomic():
        execute("UPDATE shelf_books SET slug = slug")

        assert elsewhere(lambda: committed_versions(SHELF)) == before


def test_a_rolled_back_transaction_bumps_nothing(watched: None) -> None:
    def write() -> None:
        with transaction.atomic():
            execute("UPDATE shelf_books SET slug = slug; SET CONSTRAINTS ALL IMMEDIATE")
            transaction.set_rollback(True)

    assert bumps_of(write) == {}


def test_what_a_replication_role_writes_bumps_without_any_search_path(watched: None) -> None:
    """So do the workers of logical replication, and pg_restore."""

    @transaction.atomic
    def write() -> None:
        execute("SET LOCAL session_replication_role = replica; SET LOCAL search_path = ''")
        execute("UPDATE public.shelf_books SET slug = slug")

    assert bumps_of(write) == named("list", "book:dune", "book:emma", "unit:1")


def test_a_truncation_in_a_replication_role_bumps_without_any_search_path(watched: None) -> None:
    @transaction.atomic
    def write() -> None:
        execute("SET LOCAL session_replication_role = replica; SET LOCAL search_path = ''")
        execute("TRUNCATE public.shelf_books")

    assert bumps_of(write) == named("list", "book:dune", "book:emma", "unit:1")


def test_what_the_table_has_already_gets_its_versions(watched: None) -> None:
    assert set(committed_versions(SHELF)) == set(SHELF)


def test_what_a_new_row_shows_gets_its_version(watched: None) -> None:
    execute("INSERT INTO shelf_books VALUES (3, 'ulysses', NULL)")

    assert "shelf:book:ulysses" in versions_of_the_shelf()


def test_backwards_leaves_nothing(tables: None) -> None:
    before = triggers_and_functions()

    with watching(WATCH):
        assert triggers_and_functions() > before

    assert triggers_and_functions() == before
    assert versions_of_the_shelf() == set()


def test_underscores_in_a_key_stand_for_themselves(tables: None) -> None:
    """In the patterns of LIKE they would stand for any character."""
    similar = WatchTable("shelf_units", ["shelf_list", "shelf_book:{id}"])

    with watching(WATCH):
        with watching(similar):
            pass

        assert versions_of_the_shelf() == {resource.name for resource in SHELF}


def test_a_database_that_may_not_have_the_apps_tables_is_left_alone(
    tables: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Elsewhere:
        def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool:
            return app_label != "shelf"

    monkeypatch.setattr(router, "routers", [Elsewhere()])
    before = triggers_and_functions()

    with watching(WATCH):
        assert triggers_and_functions() == before


@pytest.mark.parametrize(
    "key", ["", "shelf list", "shelf:{}", "shelf:{Slug}", "shelf:{slug}:x", "shelf:'; DROP TABLE x"]
)
def test_what_is_not_a_key_is_refused_when_the_migration_is_loaded(key: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        WatchTable("shelf_books", [key])


def test_a_migration_that_is_written_out_watches_the_same() -> None:
    code, imports = OperationWriter(WATCH, indentation=0).serialize()

    assert imports == {"import versioned_cache.triggers"}
    assert "versioned_cache.triggers.WatchTable(" in code
    assert "shelf:book:{slug}" in code
