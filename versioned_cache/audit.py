"""Comparing cached bodies with the database, exactly: both sides carry the version they belong to."""

import time
from dataclasses import dataclass
from enum import StrEnum

import structlog

from versioned_cache import configuration, events, metrics
from versioned_cache.keys import Resource
from versioned_cache.payload_store import PayloadStore
from versioned_cache.reads import declared_reads
from versioned_cache.store import Store
from versioned_cache.versions import committed_version, one_snapshot

logger = structlog.get_logger(__name__)


class Verdict(StrEnum):
    """What an audit finds."""

    MATCH = "match"  # the cached body is the database's, to the byte
    UNCACHED = "uncached"  # there is no payload of this version and shape
    SUPERSEDED = "superseded"  # somebody wrote while we looked
    STALE = "stale"  # the cache serves something else than the database holds, and no lease excuses it


@dataclass(frozen=True, slots=True)
class AuditOutcome:
    """What was found of a resource, and why."""

    resource: Resource
    verdict: Verdict
    detail: str = ""


def audit(resource: Resource, store: Store) -> AuditOutcome:
    """Compare what is cached of a resource with the database; a stale body is counted and logged.

    A counter that is behind may be excused by its lease: it is looked at again when the lease has ended.

    Raises:
        CacheUnavailable: Redis is unusable.
    """
    outcome = _compare(resource, store)
    if outcome.verdict is Verdict.STALE and (left_ms := store.lease_left_ms(resource)) is not None:
        time.sleep(min(left_ms, configuration.lease_ms()) / 1000)
        outcome = _compare(resource, store)
    if outcome.verdict is Verdict.STALE:
        metrics.STALE.labels(resource.kind.label).inc()
        logger.error(events.STALE, resource=resource.kind.label, key=resource.name, detail=outcome.detail)
    return outcome


def _compare(resource: Resource, store: Store) -> AuditOutcome:
    read = declared_reads[resource.kind.label]
    # The counter first: if it is behind what the database says *afterwards*, it may just have been overtaken.
    counter = store.counter(resource)
    with one_snapshot():
        version = committed_version(resource)
        body = read.body_of(resource)
    # Without a lease, the next read would be answered with what is stored under PostgreSQL's version.
    payload = None if version is None else PayloadStore(store).stored_payload(resource, counter or version)
    if payload is None or payload.fingerprint != read.fingerprint:
        return AuditOutcome(resource, Verdict.UNCACHED)
    if counter is not None and counter != version:
        has_moved = store.counter(resource) != counter
        return AuditOutcome(
            resource,
            Verdict.SUPERSEDED if has_moved else Verdict.STALE,
            f"Redis says {counter}, PostgreSQL {version}",
        )
    if payload.body != body:
        return AuditOutcome(resource, Verdict.STALE, f"version {version} differs: {len(payload.body)} bytes cached")
    return AuditOutcome(resource, Verdict.MATCH)
