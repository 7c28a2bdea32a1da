"""The versions in PostgreSQL: the authority that Redis holds copies of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import orjson
from django.db import connection, transaction

from versioned_cache.keys import Resource

SELECT_VERSIONS = "SELECT resource, version FROM resource_version WHERE resource = ANY(%s)"
SELECT_MANY_VERSIONS = SELECT_VERSIONS.replace("%s", "ARRAY(SELECT jsonb_array_elements_text(%s))")


def committed_versions(resources: Sequence[Resource]) -> dict[Resource, int]:
    """Return the versions of those resources that have one, in one statement, from the primary.

    A resource without one has never been written, or its row was lost; it is not cached.
    """
    by_name = {resource.name: resource for resource in resources}
    with connection.cursor() as cursor:
        cursor.execute(SELECT_VERSIONS, [list(by_name)])
        return {by_name[name]: version for name, version in cursor.fetchall()}


def versions_by_name(names: Sequence[str]) -> dict[str, int]:
    """Return the versions of resources by their names; see `committed_versions`. There may be thousands."""
    with connection.cursor() as cursor:
        # Django's cursors write an array value by value, which takes longer than the rest of the question.
        cursor.execute(SELECT_MANY_VERSIONS, [orjson.dumps(names).decode()])
        return dict(cursor.fetchall())


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
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield
