"""Looking at the cache from outside, and mending it, for operators' commands and pages."""

import heapq
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from versioned_cache.breaker import CacheUnavailable
from versioned_cache.keys import Resource, kind_of, number_in
from versioned_cache.payload_store import PayloadSummary, summary_commands, summary_in
from versioned_cache.store import Store, lease_in
from versioned_cache.versions import committed_versions

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
    payload: PayloadSummary | None

    @property
    def never_ends(self) -> bool:
        """Whether somebody has taken the counter's expiry away, so that it is believed until the next bump."""
        return self.lease_ms is not None and math.isinf(self.lease_ms)

    @property
    def is_behind(self) -> bool:
        """Whether readers may be given what is older than the last write, until the lease ends."""
        return self.counter is not None and self.version is not None and self.counter < self.version


@dataclass(frozen=True, slots=True)
class Survey:
    """How several resources stand, as far as that can be told.

    Attributes:
        inspections: In the order that was asked for; of PostgreSQL alone where Redis is unusable.
        redis_failure: Why Redis is unusable; None where it has told all of it.
    """

    inspections: Sequence[Inspection]
    redis_failure: str | None = None

    @property
    def redis_usable(self) -> bool:
        """Whether Redis has told all of it."""
        return self.redis_failure is None


def survey(resources: Sequence[Resource], store: Store) -> Survey:
    """Return how resources stand, as far as that can be told, in one round trip to each server."""
    versions = committed_versions(resources)
    try:
        return Survey(_inspect(resources, versions, store))
    except CacheUnavailable as error:
        alone = [Inspection(resource, versions.get(resource), None, None, None) for resource in resources]
        return Survey(alone, redis_failure=str(error))


def _inspect(resources: Sequence[Resource], versions: Mapping[Resource, int], store: Store) -> list[Inspection]:
    # The counters after the versions: a counter that is then behind really is.
    commands = [command for resource in resources for command in _commands(resource, versions.get(resource))]
    answers = iter(store.peek(commands))
    return [_inspection(resource, versions.get(resource), answers) for resource in resources]


def _commands(resource: Resource, version: int | None) -> list[tuple[Any, ...]]:
    counter = resource.counter_key
    of_payload = [] if version is None else summary_commands(resource.payload_key(version))
    return [("GET", counter), ("PTTL", counter), *of_payload]


def _inspection(resource: Resource, version: int | None, answers: Iterator[Any]) -> Inspection:
    """Return how a resource stands; takes as many answers as `_commands` has commands."""
    counter, lease_ms = number_in(next(answers)), lease_in(next(answers))
    payload = None if version is None else summary_in(next(answers), next(answers), next(answers))
    return Inspection(resource, version, counter, lease_ms, payload)


def known_resources() -> Iterator[Resource]:
    """Yield every resource that has a version, except those of kinds that the project no longer has."""
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
    """Return how many resources have a version, including those of kinds that the project no longer has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM resource_version")
        (count,) = cursor.fetchone()
    return int(count)


def sampled_resources(count: int) -> list[Resource]:
    """Return the only resources of their kind, and up to `count` others, drawn at random."""
    only_ones = [resource for resource in known_resources() if not resource.kind.has_identifiers]
    others = (resource for resource in known_resources() if resource.kind.has_identifiers)
    return only_ones + heapq.nlargest(count, others, key=lambda _resource: random.random())  # noqa: S311  # no secret


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
