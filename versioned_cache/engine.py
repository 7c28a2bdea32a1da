"""The protocol: how a cached read is answered, and how a committed version reaches Redis.

Notes named in brackets are explained, each with its race and its test, in docs/cache-protocol.md.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection

from versioned_cache import metrics
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.fills import Fetcher, Fills, Found, Wanted
from versioned_cache.keys import Resource
from versioned_cache.metrics import RedisOperation, Source
from versioned_cache.outage import OutageLog
from versioned_cache.raises import raise_counters
from versioned_cache.store import Store
from versioned_cache.versions import committed_version

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Representation:
    """What a read found.

    Attributes:
        resource: What was read.
        fingerprint: The shape of the body.
        version: The version it belongs to; None where nobody could tell, so that nobody may keep it.
        body: The rendered bytes, served as they are; None where the caller already holds this version.
        source: Where they came from.
        seconds: How long it took to have them.
    """

    resource: Resource
    fingerprint: str
    version: int | None
    body: bytes | None
    source: Source
    seconds: float


class VersionedCache:
    """Cached reads of resources, and the raising of their versions. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._outage = OutageLog()
        self._fills = Fills(store, self._outage)

    def read(
        self, resource: Resource, fingerprint: str, fetcher: Fetcher, known: frozenset[int] = frozenset()
    ) -> Representation:
        """Return the resource's current body.

        Never older than a write that was answered before the call, and never older than what an earlier read
        was given. Inside a transaction the fetcher answers, since what is read there may never be committed;
        such a read counts nothing.

        Args:
            resource: What to read.
            fingerprint: The shape of the body; stored bodies of another shape are not taken.
            fetcher: Builds the body when nobody has it.
            known: Versions that the caller already holds; if the current one is among them, no body is
                looked for.
        """
        started = time.perf_counter()
        if connection.in_atomic_block:
            body = fetcher()
            seconds = time.perf_counter() - started
            return Representation(resource, fingerprint, None, body, Source.DATABASE, seconds)
        version, is_leased = self._current_version(resource)
        found = self._near(resource, version, fingerprint, known, is_leased)
        if found is None:
            found = self._find(resource, version, fingerprint, fetcher, is_leased)
        return _answer(resource, fingerprint, found, started)

    def held(self, resource: Resource, fingerprint: str, known: frozenset[int]) -> Representation | None:
        """Return the resource's current body if this process holds it, with the same promise as `read`.

        At most one question to Redis, or without it one to PostgreSQL. None where more would have to be asked;
        such a read counts nothing.
        """
        if connection.in_atomic_block:
            return None
        started = time.perf_counter()
        outage: CacheUnavailable | None = None
        try:
            version = self._store.version(resource)
        except CacheUnavailable as error:
            outage, version = error, _committed_version_if_any(resource)
        found = self._near(resource, version, fingerprint, known, is_leased=outage is None)
        if outage and found is None:
            self._outage.count(RedisOperation.READ, outage)
        elif outage:
            self._outage.report(RedisOperation.READ, resource, outage)
        return None if found is None else _answer(resource, fingerprint, found, started)

    def compressed(self, representation: Representation) -> bytes:
        """Return the gzip form of a body; made once for each version in this process."""
        return self._fills.compressed(
            representation.resource, representation.version, representation.fingerprint, representation.body or b""
        )

    def invalidate(self, resources: Sequence[Resource]) -> None:
        """Bring Redis's counters up to the committed versions of `resources`.

        A failure is logged and counted and never raised: the leases bound what it can cost.
        """
        started = time.perf_counter()
        try:
            versions = self._raise(resources)
        except (CacheUnavailable, DatabaseFailure) as error:
            metrics.ERRORS.labels(RedisOperation.INVALIDATE).inc()
            for resource in resources:
                logger.warning(
                    "procedure_cache_invalidation_failed",
                    resource=resource.kind,
                    key=resource.counter_key,
                    error=str(error),
                    duration_ms=_milliseconds_since(started),
                )
            return
        for resource in resources:
            metrics.INVALIDATIONS.labels(resource.kind).inc()
            logger.info(
                "procedure_cache_invalidated",
                resource=resource.kind,
                key=resource.counter_key,
                version=versions.get(resource),
                duration_ms=_milliseconds_since(started),
            )

    @property
    def held_bytes(self) -> int:
        """How many bytes of bodies this process holds."""
        return self._fills.held_bytes

    def is_reachable(self) -> bool:
        """Tell whether Redis answers right now."""
        try:
            self._store.ping()
        except CacheUnavailable:
            return False
        return True

    def _current_version(self, resource: Resource) -> tuple[int | None, bool]:
        """Return the current version, and whether it is leased from Redis; None where PostgreSQL has none."""
        try:
            return self._leased_version(resource), True
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.READ, resource, error)
            return committed_version(resource), False

    def _leased_version(self, resource: Resource) -> int | None:
        held = self._store.version(resource)
        if held is not None:
            return held
        return raise_counters(self._store, [resource], is_insistent=False).get(resource)

    def _near(
        self, resource: Resource, version: int | None, fingerprint: str, known: frozenset[int], is_leased: bool
    ) -> Found | None:
        """Return what the caller knows already, or what this process holds, or None."""
        if version is None:
            return None
        if version in known:
            return Found(None, version, Source.REDIS if is_leased else Source.FALLBACK, is_built=False)
        return self._fills.held(resource, version, fingerprint, through_redis=is_leased)

    def _find(
        self, resource: Resource, version: int | None, fingerprint: str, fetcher: Fetcher, is_leased: bool
    ) -> Found:
        if version is None:  # it does not exist, or was never written: build, answer, keep nothing
            return Found(fetcher(), None, Source.DATABASE if is_leased else Source.FALLBACK, is_built=True)
        return self._fills.find(Wanted(resource, version, fingerprint, fetcher, through_redis=is_leased))

    def _raise(self, resources: Sequence[Resource]) -> dict[Resource, int]:
        """Raise the counters, if need be at a second try on a fresh connection: a lost raise costs freshness."""
        try:
            return raise_counters(self._store, resources, is_insistent=True)
        except CacheUnavailable:
            return raise_counters(self._store, resources, is_insistent=True)


def _answer(resource: Resource, fingerprint: str, found: Found, started: float) -> Representation:
    """Count and log a read that is about to be answered, exactly once."""
    seconds = time.perf_counter() - started
    metrics.READS[resource.kind, found.is_built].inc()
    metrics.FETCHES[resource.kind, found.source].observe(seconds)
    if found.is_built or settings.CACHE_LOG_HITS:
        logger.info(
            "procedure_cache_miss" if found.is_built else "procedure_cache_hit",
            resource=resource.kind,
            key=resource.counter_key if found.version is None else resource.payload_key(found.version),
            version=found.version,
            source=found.source,
            duration_ms=round(seconds * 1000, 3),
        )
    return Representation(resource, fingerprint, found.version, found.body, found.source, seconds)


def _committed_version_if_any(resource: Resource) -> int | None:
    """Return the resource's version, or None also where PostgreSQL fails: whoever reads next will tell."""
    try:
        return committed_version(resource)
    except DatabaseFailure:
        return None


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)


cache = VersionedCache(Store())
