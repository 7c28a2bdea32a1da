"""The functions and triggers that the migrations make, and which of them a database lacks.

`objects.sql` has them as PostgreSQL itself writes them down, recorded from a database that has just been migrated. A
restored dump may have triggers that do not always fire, somebody may have switched one off, and no table shows it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("objects.sql")
HEADING = re.compile(r"^-- (?=function |trigger )", re.MULTILINE)
SCHEMA = "{schema}"  # stands in the record for the schema that the tables are in

FIRES = {"A": "always", "D": "never", "O": "not for replication", "R": "only for replication"}
FIRING = {"A": "ENABLE ALWAYS", "D": "DISABLE", "O": "ENABLE", "R": "ENABLE REPLICA"}

# Of the schema that the service's tables are in, but nothing that belongs to an extension.
DEFINITIONS = """
SELECT 'function ' || proname || '(' || oidvectortypes(proargtypes) || ')', pg_get_functiondef(oid), 'A',
       quote_ident(nspname)
FROM (SELECT pg_proc.*, nspname FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
      WHERE nspname = current_schema() AND prokind = 'f'
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')) function
UNION ALL
SELECT 'trigger ' || tgname || ' on ' || relname, pg_get_triggerdef(oid), tgenabled, quote_ident(nspname)
FROM (SELECT pg_trigger.*, relname, nspname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
      JOIN pg_namespace ON pg_namespace.oid = relnamespace
      WHERE nspname = current_schema() AND NOT tgisinternal) trigger
ORDER BY 1
"""

# Those of foreign keys: ALTER TABLE … DISABLE TRIGGER ALL switches them off too.
SLEEPING_KEYS = """
SELECT DISTINCT conname, relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
JOIN pg_constraint ON pg_constraint.oid = tgconstraint
WHERE relnamespace = current_schema()::regnamespace AND tgisinternal AND tgenabled = 'D'
ORDER BY 2, 1
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a database lacks.

    Attributes:
        text: What it is, in a line.
        mending: The statements that mend it, in their order; none where only a person can.
    """

    text: str
    mending: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """A function or a trigger: the statement that makes it, and when a trigger fires (`pg_trigger.tgenabled`)."""

    statement: str
    fires: str


def definitions_in(cursor: Any) -> dict[str, Definition]:
    """Return the functions and triggers that a database has, by their headings in the record."""
    cursor.execute(DEFINITIONS)
    return {
        heading: Definition(_without_schema(statement, schema).strip(), fires)
        for heading, statement, fires, schema in cursor.fetchall()
    }


def faults_of_objects(cursor: Any) -> list[Fault]:
    """Find functions and triggers that are missing or not what the migrations make, and those that do not always fire.

    It costs two statements, and reads catalogs alone.
    """
    # What enables the triggers of foreign keys lets the others of the table fire, but not always: so those come after.
    return [*_faults_of_keys(cursor), *_faults_of_definitions(cursor)]


@once
def recorded() -> Mapping[str, Definition]:
    """Return what the record has, by its headings; functions come first."""
    parts = HEADING.split(RECORD.read_text(encoding="utf-8"))[1:]
    return {heading: _read(statement) for heading, _, statement in (part.partition("\n") for part in parts)}


def record(cursor: Any) -> str:
    """Return the record of what a database has."""
    found = definitions_in(cursor)
    return "\n".join(f"-- {heading}\n{_written(heading, found[heading])}\n" for heading in sorted(found))


def _written(heading: str, definition: Definition) -> str:
    if heading.startswith("function"):
        return definition.statement
    return f"{definition.statement};\n{_firing(heading, definition.fires)}"


def _read(text: str) -> Definition:
    statement, _, firing = text.strip().rpartition(";\nALTER TABLE ")
    if not statement:
        return Definition(text.strip(), "A")
    return Definition(statement, next(fires for fires, word in FIRING.items() if f" {word} TRIGGER " in firing))


def _firing(heading: str, fires: str) -> str:
    """Return the statement that lets a trigger fire as it should."""
    _, name, _, table = heading.split()
    return f"ALTER TABLE {table} {FIRING[fires]} TRIGGER {name}"


def _faults_of_definitions(cursor: Any) -> Iterator[Fault]:
    found = definitions_in(cursor)
    cursor.execute("SELECT quote_ident(current_schema())")
    (schema,) = cursor.fetchone()
    for heading, right in recorded().items():
        own = found.get(heading)
        mending = _mending(heading, right.statement.replace(SCHEMA, schema), right.fires)
        if own is None:
            yield Fault(f"{heading}: missing", mending)
        elif own.statement != right.statement:
            yield Fault(f"{heading}: not the one that the migrations make", mending)
        elif own.fires != right.fires:
            yield Fault(f"{heading}: fires {FIRES[own.fires]}", mending[-1:])


def _faults_of_keys(cursor: Any) -> Iterator[Fault]:
    cursor.execute(SLEEPING_KEYS)
    for constraint, table in cursor.fetchall():
        yield Fault(
            f"foreign key {constraint} of {table}: its triggers never fire",
            (f"ALTER TABLE {table} ENABLE TRIGGER ALL",),
        )


def _mending(heading: str, statement: str, fires: str) -> tuple[str, ...]:
    """Return what makes a function or a trigger anew; a trigger's last statement says when it fires."""
    if heading.startswith("function"):
        return (statement,)
    _, name, _, table = heading.split()
    return f"DROP TRIGGER IF EXISTS {name} ON {table}", statement, _firing(heading, fires)


def _without_schema(statement: str, schema: str) -> str:
    """Take the schema out of a statement: a function's path has it as a text, everything else before a dot."""
    return statement.replace(f"{schema}.", "").replace(f"'{schema}'", f"'{SCHEMA}'")
