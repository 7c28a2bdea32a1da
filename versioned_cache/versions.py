"""The versions in PostgreSQL: the authority that Redis holds copies of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection, transaction
from psycopg import IsolationLevel

from versioned_cache.keys import Resource, ResourceKind

SELECT_VERSIONS = "SELECT resource, version FROM resource_version WHERE resource = ANY(%s)"
SELECT_VERSIONS_OF_ITEMS = """
SELECT identifier, version
FROM (
    SELECT NULL AS identifier, 0 AS place, %(whole)s AS resource
    UNION ALL
    SELECT identifier, place, %(beginning)s || identifier
    FROM unnest(ARRAY({identifiers})) WITH ORDINALITY AS item (identifier, place)
) named LEFT JOIN resource_version USING (resource)
ORDER BY place
"""


def committed_versions(resources: Sequence[Resource]) -> dict[Resource, int]:
    """Return the versions of those resources that have one, in one statement, from the primary.

    A resource without one has never been written, or its row was lost; it is not cached.
    """
    by_name = {resource.name: resource for resource in resources}
    with connection.cursor() as cursor:
        cursor.execute(SELECT_VERSIONS, [list(by_name)])
        return {by_name[name]: version for name, version in cursor.fetchall()}


def identifiers_of(query: str) -> list[str]:
    """Return the values that a query of one column selects, in its order."""
    with connection.cursor() as cursor:
        cursor.execute(query, ())
        return [identifier for (identifier,) in cursor.fetchall()]


def versions_of_items(
    whole: Resource, kind: ResourceKind, identifiers: str
) -> tuple[int | None, dict[str, int | None]]:
    """Return the version of a resource, and in one statement with it those of the items that it is made of.

    Args:
        whole: The resource.
        kind: The kind of its items.
        identifiers: A query for which there are: one column of text, in their order.

    Returns:
        The versions of the items are by identifier, in their order; None where one has none.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            SELECT_VERSIONS_OF_ITEMS.format(identifiers=identifiers),
            {"whole": whole.name, "beginning": kind.beginning},
        )
        (_, version), *items = cursor.fetchall()
        return version, dict(items)


def committed_version(resource: Resource) -> int | None:
    """Return the resource's version, or None where it has none."""
    return committed_versions([resource]).get(resource)


def settled_version(resource: Resource) -> int:
    """Return the version that the current transaction gives to a resource it has written.

    To be called as its last statement: it makes the deferred bumps happen now, and the row that it reads
    stays locked until the commit, so that no other transaction can have the same number.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT version FROM resource_version WHERE resource = %s", [resource.name])
        (version,) = cursor.fetchone()
        return int(version)


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Let every statement inside see the same committed state: a body and its version never mix two.

    Inside a transaction it changes nothing: what is seen there is that transaction's affair.
    """
    if connection.in_atomic_block:
        yield
        return
    connection.ensure_connection()
    session = connection.connection
    before = session.isolation_level, session.read_only
    with connection.wrap_database_errors:  # so BEGIN says it, and no statement has to
        session.isolation_level, session.read_only = IsolationLevel.REPEATABLE_READ, True
    try:
        with transaction.atomic():
            yield
    finally:
        if not session.closed:
            session.isolation_level, session.read_only = before
