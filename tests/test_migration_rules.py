"""The rules of migrations find each kind of operation that blocks or breaks the code that still serves."""

from typing import Any

import pytest
from django.contrib.postgres import operations as postgres
from django.db import models
from django.db.migrations import operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import GeneratedField, Index
from django.db.models.functions import Length, Now, Random

from tests.migration_rules import EXCEPTIONS, faults_of, faults_of_all
from versioned_cache.triggers import WatchTable

NOTE = "Fill it.\n\nLocks: nothing but the rows that it writes."
INDEX = Index(fields=["title"], name="by_title")
CHECK = models.CheckConstraint(condition=models.Q(pages__gt=0), name="has_pages")
UNIQUE = models.UniqueConstraint(fields=["title"], name="one_title")


def made(name: str) -> operations.CreateModel:
    fields: list[tuple[str, models.Field[Any, Any]]] = [
        ("id", models.BigAutoField(primary_key=True)),
        ("title", models.CharField(max_length=100)),
        ("pages", models.IntegerField(null=True)),
    ]
    return operations.CreateModel(name, fields)


@pytest.fixture
def books() -> ProjectState:
    """The models as they are before: one, with rows and readers."""
    state = ProjectState()
    made("Book").state_forwards("books", state)
    return state


def added(field: Any) -> operations.AddField:
    return operations.AddField("book", "added", field)


def altered(name: str, field: Any) -> operations.AlterField:
    return operations.AlterField("book", name, field)


def fill(_apps: Any, _schema_editor: Any) -> None:
    """Stand for what a data migration does."""


SEPARATED = operations.SeparateDatabaseAndState(database_operations=[operations.RemoveField("book", "pages")])
GENERATED = GeneratedField(expression=Length("title"), output_field=models.IntegerField(), db_persist=True)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        (operations.AddIndex("book", INDEX), "AddIndexConcurrently"),
        (operations.RemoveIndex("book", "by_title"), "RemoveIndexConcurrently"),
        (operations.AddConstraint("book", CHECK), "AddConstraintNotValid"),
        (operations.AddConstraint("book", UNIQUE), "USING INDEX"),
        (added(models.IntegerField()), "db_default"),
        (added(models.IntegerField(default=0)), "db_default"),
        (added(models.FloatField(db_default=Random())), "rewritten"),
        (added(GENERATED), "rewritten"),
        (added(models.IntegerField(null=True, db_index=True)), "db_index=False"),
        (added(models.IntegerField(null=True, unique=True)), "db_index=False"),
        (added(models.ForeignKey("books.Book", models.CASCADE, null=True)), "db_index=False"),
        (altered("pages", models.BigIntegerField(null=True)), "new type"),
        (altered("title", models.CharField(max_length=50)), "new type"),
        (altered("pages", models.IntegerField()), "writes NULL"),
        (altered("title", models.CharField(max_length=100, db_index=True)), "AddIndexConcurrently"),
        (altered("title", models.CharField(max_length=100, unique=True)), "AddIndexConcurrently"),
        (altered("title", models.CharField(max_length=100, db_column="name")), "old name"),
        (operations.RenameField("book", "title", "name"), "old name"),
        (operations.RenameModel("Book", "Volume"), "old name"),
        (operations.AlterModelTable("book", "volumes"), "old name"),
        (operations.RemoveField("book", "pages"), "a release later"),
        (operations.DeleteModel("Book"), "a release later"),
        (SEPARATED, "a release later"),
        (operations.AlterUniqueTogether("book", {("title", "pages")}), "no rule"),
        (operations.RunSQL("UPDATE books_book SET pages = 1"), "reverse"),
        (operations.RunPython(fill), "reverse"),
    ],
    ids=lambda value: value.describe() if isinstance(value, Operation) else value,
)
def test_what_blocks_or_breaks_the_old_code_is_found(books: ProjectState, operation: Operation, fault: str) -> None:
    assert any(fault in found for found in faults_of([operation], "books", books, NOTE))


@pytest.mark.parametrize(
    "operation",
    [
        operations.RunSQL("UPDATE books_book SET pages = 1", operations.RunSQL.noop),
        operations.RunPython(fill, operations.RunPython.noop),
        WatchTable("books_book", ["books:list"]),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_what_no_rule_can_read_says_what_it_locks(books: ProjectState, operation: Operation) -> None:
    (fault,) = faults_of([operation], "books", books, "Fill it.")

    assert "Locks: …" in fault
    assert list(faults_of([operation], "books", books, NOTE)) == []


@pytest.mark.parametrize(
    "operation",
    [
        made("Author"),
        added(models.IntegerField(null=True)),
        added(models.IntegerField(db_default=0)),
        added(models.DateTimeField(db_default=Now())),
        added(models.ForeignKey("books.Book", models.CASCADE, null=True, db_index=False)),
        added(models.ManyToManyField("books.Book")),
        altered("title", models.CharField(max_length=100, help_text="As on its back.")),
        altered("title", models.CharField(max_length=100, null=True)),
        postgres.AddIndexConcurrently("book", INDEX),
        postgres.AddConstraintNotValid("book", CHECK),
    ],
    ids=lambda operation: operation.describe(),
)
def test_what_neither_blocks_nor_breaks_is_allowed(books: ProjectState, operation: Operation) -> None:
    assert list(faults_of([operation], "books", books, "Change it.")) == []


def test_a_table_that_the_migration_makes_has_no_readers_yet(books: ProjectState) -> None:
    steps = [made("Author"), operations.AddIndex("author", INDEX), operations.AddIndex("book", INDEX)]

    (fault,) = faults_of(steps, "books", books, "Make authors.")

    assert "on field(s) title of model book" in fault


def test_a_constraint_is_validated_after_the_migration_that_adds_it(books: ProjectState) -> None:
    adding, validating = postgres.AddConstraintNotValid("book", CHECK), postgres.ValidateConstraint("book", CHECK.name)

    (fault,) = faults_of([adding, validating], "books", books, "Check pages.")

    assert "in the next migration" in fault
    adding.state_forwards("books", books)
    assert list(faults_of([validating], "books", books, "Check pages.")) == []


def test_the_migrations_of_this_project_keep_the_rules() -> None:
    assert list(faults_of_all(EXCEPTIONS)) == []


def test_an_exception_that_nothing_needs_is_a_fault() -> None:
    needless = {"runs.0004_indexes": "makes its indexes concurrently"}

    assert list(faults_of_all(EXCEPTIONS | needless)) == ["runs.0004_indexes: needs no exception"]
