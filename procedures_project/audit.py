"""Holding cached bodies against the database, exactly: both sides carry the version they belong to."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from django.conf import settings

from procedures import caches as procedures_caches
from procedures.bodies import body_of_list, body_of_procedure
from runs import caches as runs_caches
from runs.bodies import body_of_run
from versioned_cache import metrics
from versioned_cache.keys import Kind, Resource
from versioned_cache.store import Store
from versioned_cache.versions import committed_version, one_snapshot

BODIES: dict[Kind, Callable[[Resource], bytes | None]] = {
    Kind.LIST: lambda _: body_of_list(),
    Kind.PROCEDURE: lambda resource: body_of_procedure(resource.id),
    Kind.RUN: lambda resource: body_of_run(UUID(resource.id)),
}
FINGERPRINTS = {
    Kind.LIST: procedures_caches.FINGERPRINT,
    Kind.PROCEDURE: procedures_caches.FINGERPRINT,
    Kind.RUN: runs_caches.FINGERPRINT,
}


class Verdict(StrEnum):
    """What an audit finds."""

    MATCH = "match"  # the cached body is the database's, to the byte
    UNCACHED = "uncached"  # no payload of this version and shape lies there
    SUPERSEDED = "superseded"  # somebody wrote while we looked
    STALE = "stale"  # the cache serves something else than the database holds, and no lease excuses it


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """What was found of a resource, and why."""

    resource: Resource
    verdict: Verdict
    detail: str = ""


def audit(resource: Resource, store: Store) -> AuditOutcome:
    """Compare what is cached of a resource with the database; a stale body is counted.

    A counter that is behind may be excused by its lease: it is looked at again when the lease has ended.

    Raises:
        CacheUnavailable: Redis is unusable.
    """
    outcome = _compare(resource, store)
    if outcome.verdict is Verdict.STALE and (left_ms := store.lease_left_ms(resource)) is not None:
        time.sleep(min(left_ms, settings.CACHE_LEASE_MS) / 1000)
        outcome = _compare(resource, store)
    if outcome.verdict is Verdict.STALE:
        metrics.STALE.labels(resource.kind).inc()
    return outcome


def _compare(resource: Resource, store: Store) -> AuditOutcome:
    # The counter first: one that is behind what the database says *afterwards* may just have been overtaken.
    counter = store.version(resource)
    with one_snapshot():
        version = committed_version(resource)
        body = BODIES[resource.kind](resource)
    # Without a lease, the next read would be answered with what is stored under PostgreSQL's version.
    payload = None if version is None else store.stored_payload(resource, counter or version)
    if payload is None or payload.fingerprint != FINGERPRINTS[resource.kind]:
        return AuditOutcome(resource, Verdict.UNCACHED)
    if counter is not None and counter != version:
        has_moved = store.version(resource) != counter
        return AuditOutcome(
            resource,
            Verdict.SUPERSEDED if has_moved else Verdict.STALE,
            f"Redis says {counter}, PostgreSQL {version}",
        )
    if payload.body != body:
        return AuditOutcome(resource, Verdict.STALE, f"version {version} differs: {len(payload.body)} bytes cached")
    return AuditOutcome(resource, Verdict.MATCH)
