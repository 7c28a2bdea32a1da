"""Looking at the cache from outside, and mending it: what operators' commands do."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from versioned_cache.keys import Resource, kind_of
from versioned_cache.payload_store import PayloadStore, StoredPayload
from versioned_cache.store import Store
from versioned_cache.versions import committed_version

NAMES_PER_FETCH = 5_000
NEXT_RESOURCES = "SELECT resource FROM resource_version WHERE resource > %s ORDER BY resource LIMIT %s"


@dataclass(frozen=True, slots=True)
class Inspection:
    """A resource as PostgreSQL and Redis have it.

    Attributes:
        version: Its version in PostgreSQL; None where it has none.
        counter: Redis's copy; None where no lease runs.
        lease_ms: How long the counter will still be believed; infinity where it has no expiry.
        payload: What is stored under the version; None where nothing is.
    """

    resource: Resource
    version: int | None
    counter: int | None
    lease_ms: float | None
    payload: StoredPayload | None


def inspect(resource: Resource, store: Store) -> Inspection:
    """Return how a resource stands.

    Raises:
        CacheUnavailable: Redis is unusable.
    """
    version = committed_version(resource)
    return Inspection(
        resource,
        version,
        counter=store.counter(resource),
        lease_ms=store.lease_left_ms(resource),
        payload=None if version is None else PayloadStore(store).stored_payload(resource, version),
    )


def known_resources() -> Iterator[Resource]:
    """Yield every resource that has a version, but those whose kind the project has given up."""
    after, is_rest = "", True
    while is_rest:
        with connection.cursor() as cursor:
            cursor.execute(NEXT_RESOURCES, [after, NAMES_PER_FETCH])
            names = [name for (name,) in cursor.fetchall()]
        for name in names:
            if kind := kind_of(name):
                yield Resource(kind, name)
        is_rest = len(names) == NAMES_PER_FETCH
        after = names[-1] if names else ""


def count_of_known_resources() -> int:
    """Return how many resources have a version, with those whose kind the project has given up."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM resource_version")
        (count,) = cursor.fetchone()
    return int(count)


def sampled_resources(count: int) -> list[Resource]:
    """Return the only resources of their kind, and up to `count` others, drawn at random."""
    resources = list(known_resources())
    only_ones = [resource for resource in resources if not resource.kind.has_identifiers]
    others = [resource for resource in resources if resource.kind.has_identifiers]
    return only_ones + random.sample(others, min(count, len(others)))


def bump_versions(resources: list[Resource]) -> None:
    """Bump the versions of `resources` in PostgreSQL to the clock at least, so that no number is used twice.

    To be followed by `cache.bump(resources)` once it is committed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE resource_version SET raised_by = pg_current_xact_id(),"
            " version = greatest(version + 1, floor(extract(epoch FROM clock_timestamp()) * 1000))"
            " WHERE resource = ANY(%s)",
            [[resource.name for resource in resources]],
        )
