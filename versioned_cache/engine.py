"""The protocol: how a cached read is answered, and how a committed version reaches Redis.

Notes named in brackets are explained, each with its race and its test, in docs/cache-protocol.md.
"""

import time
from collections.abc import Sequence
from random import random
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection

from versioned_cache import events, metrics
from versioned_cache.breaker import CacheUnavailable, CommandRefused
from versioned_cache.bumps import bump_counters
from versioned_cache.codings import Coding
from versioned_cache.composition import Segments
from versioned_cache.health import HealthLog, RedisHealth
from versioned_cache.keys import Resource
from versioned_cache.memory import Body
from versioned_cache.metrics import RedisOperation, Source
from versioned_cache.outage import OutageLog
from versioned_cache.owed_bumps import OwedBumps
from versioned_cache.payload_loader import PayloadLoader
from versioned_cache.shared_builds import Fetcher, Payload, PayloadRequest
from versioned_cache.store import Store
from versioned_cache.versions import committed_version

logger = structlog.get_logger(__name__)


class Representation(NamedTuple):
    """What a read is answered with.

    Attributes:
        resource: What was read.
        fingerprint: The shape of the body.
        version: The version it belongs to; None where nobody could tell, so that nobody may keep it.
        content: The rendered body, served as it is; None where the caller already has this version.
        source: Where they came from.
        seconds: How long it took to have them.
    """

    resource: Resource
    fingerprint: str
    version: int | None
    content: Body | None
    source: Source
    seconds: float

    @property
    def body(self) -> bytes | None:
        """The body in one piece; whoever sends it sends the content in pieces."""
        return None if self.content is None else bytes(self.content)


class VersionedCache:
    """Cached reads of resources, and the bumping of their versions. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._store.when_proof_is_due = self.look
        self._outage = OutageLog()
        self._health = HealthLog()
        self._owed = OwedBumps()
        self._loader = PayloadLoader(store, self._outage)

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
            known: Versions that the caller already has; if the current one is among them, no body is
                looked for.
        """
        started = time.perf_counter()
        if connection.in_atomic_block:
            body = fetcher()
            return Representation(
                resource, fingerprint, None, body, Source.DATABASE, seconds=time.perf_counter() - started
            )
        version, redis_usable = self._current_version(resource)
        if version is None:  # it does not exist, or was never written: build, answer, keep nothing
            payload = Payload(fetcher(), None, Source.DATABASE if redis_usable else Source.FALLBACK, is_built=True)
        else:
            request = PayloadRequest(resource, version, fingerprint, redis_usable)
            payload = self._loader.at_hand(request, known) or self._loader.load(request, fetcher)
        return _answer(resource, fingerprint, payload, started)

    def at_hand(self, request: PayloadRequest, known: frozenset[int], coding: Coding) -> Payload | None:
        """Return a body that this process has in that coding, or none where the caller knows its version. Asks nobody.

        Args:
            request: What to read; its version was told after the read had begun.
            known: Versions that the caller already has.
            coding: How the body is to be coded.
        """
        return self._loader.at_hand(request, known, coding)

    def answer(self, request: PayloadRequest, payload: Payload, started: float) -> Representation:
        """Return what a read is answered with that found its body at hand, and count it."""
        return _answer(request.resource, request.fingerprint, payload, started)

    def note_outage(self, resource: Resource, error: CacheUnavailable, *, is_answered: bool) -> None:
        """Count that Redis could not be asked for a version; log it if the read ends with that."""
        if is_answered:
            self._outage.report(RedisOperation.READ, resource, error)
        else:
            self._outage.count(RedisOperation.READ, error)

    def coded(self, representation: Representation, coding: Coding) -> Segments:
        """Return the body in a coding, in pieces; made once for each version in this process."""
        return self._loader.coded(
            representation.resource,
            representation.version,
            representation.fingerprint,
            representation.content or b"",
            coding,
        )

    def invalidate(self, resources: Sequence[Resource]) -> None:
        """Bump Redis's counters up to the committed versions of `resources`.

        A failure is logged and counted and never raised: the leases bound what it can cost, and it is tried again.
        """
        started = time.perf_counter()
        try:
            versions = self._bump_with_what_is_owed(resources)
        except (CacheUnavailable, DatabaseFailure) as error:
            self._note_lost_bumps(resources, error, started)
            return
        for resource in resources:
            metrics.INVALIDATIONS.labels(resource.kind.label).inc()
            logger.info(
                events.INVALIDATED,
                resource=resource.kind.label,
                key=resource.counter_key,
                version=versions.get(resource),
                duration_ms=_milliseconds_since(started),
            )

    def bump(self, resources: Sequence[Resource]) -> None:
        """Bump Redis's counters like `invalidate`, for whoever has time to try again: it counts, and logs nothing.

        Raises:
            CacheUnavailable: Redis is unusable; perhaps some of the counters are bumped.
        """
        try:
            self._bump(resources)
        except CacheUnavailable:
            metrics.ERRORS.labels(RedisOperation.INVALIDATE).inc()
            raise
        for resource in resources:
            metrics.INVALIDATIONS.labels(resource.kind.label).inc()

    @property
    def store(self) -> Store:
        """Redis."""
        return self._store

    @property
    def memory_bytes(self) -> int:
        """How many bytes of bodies are in this process's memory."""
        return self._loader.memory_bytes

    def measure(self) -> None:
        """Set the gauges that say how this process's cache is."""
        metrics.BREAKER_OPEN.set(self._store.breaker.is_open)
        metrics.BUMPS_OWED.set(len(self._owed))
        metrics.MEMORY_BYTES.set(self._loader.memory_bytes)

    def look(self) -> RedisHealth:
        """Find out what Redis is good for right now, over fresh connections; bump what is owed to it.

        Asked once a second, a process notices soon that its server was demoted or replaced, though it only reads.
        """
        try:
            self._store.prove(before_trust=self._bump_what_is_owed)
        except CacheUnavailable as error:
            return self._health.fell_ill(error)
        return self._health.recovered()

    def _current_version(self, resource: Resource) -> tuple[int | None, bool]:
        """Return the current version, None where PostgreSQL has none, and whether Redis is usable."""
        try:
            version = self._store.counter(resource)
            if version is None:
                metrics.REFILLS.labels(resource.kind.label).inc()
                version = bump_counters(self._store, [resource]).get(resource)
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.READ, resource, error)
            return committed_version(resource), False
        return version, True

    def _bump_with_what_is_owed(self, resources: Sequence[Resource]) -> dict[Resource, int]:
        wanted = list(dict.fromkeys([*resources, *self._owed.take()]))
        try:
            return self._bump(wanted)
        except CacheUnavailable as error:
            self._owed.add(wanted)
            self._store.breaker.distrust(error)  # after that, so that whoever ends it finds what is owed
            raise
        except DatabaseFailure:
            self._owed.add(wanted)
            raise

    def _bump(self, resources: Sequence[Resource]) -> dict[Resource, int]:
        try:
            return bump_counters(self._store, resources, bypass_breaker=True)
        except CacheUnavailable:  # once more, on a fresh connection: a lost bump costs freshness
            return bump_counters(self._store, resources, bypass_breaker=True)

    def _bump_what_is_owed(self) -> None:
        """Bump what is owed, as far as that can be done now; it is done before Redis is trusted again."""
        while owed := self._owed.take():
            try:
                bump_counters(self._store, owed, bypass_breaker=True)
            except (CacheUnavailable, DatabaseFailure):
                self._owed.add(owed)
                return
            finally:
                if not connection.in_atomic_block:
                    connection.close()  # this thread may need none for long

    def _note_lost_bumps(self, resources: Sequence[Resource], error: Exception, started: float) -> None:
        metrics.ERRORS.labels(RedisOperation.INVALIDATE).inc()
        self._health.count_lost_bumps(len(resources))
        if isinstance(error, CommandRefused):
            self._health.fell_ill(error)
        for resource in resources:
            logger.warning(
                events.INVALIDATION_FAILED,
                resource=resource.kind.label,
                key=resource.counter_key,
                error=str(error),
                duration_ms=_milliseconds_since(started),
            )


def _answer(resource: Resource, fingerprint: str, payload: Payload, started: float) -> Representation:
    """Count and log a read that is about to be answered, exactly once."""
    seconds = time.perf_counter() - started
    label, version = resource.kind.label, payload.version
    metrics.READS[label, payload.is_built].inc()
    metrics.FETCHES[label, payload.source].observe(seconds)
    if payload.is_built or _is_logged_hit():
        logger.info(
            events.MISS if payload.is_built else events.HIT,
            resource=label,
            key=resource.counter_key if version is None else resource.payload_key(version),
            version=version,
            source=payload.source,
            duration_ms=round(seconds * 1000, 3),
        )
    return Representation(resource, fingerprint, version, payload.body, payload.source, seconds)


def _is_logged_hit() -> bool:
    """Tell whether a hit is one of the share that is logged."""
    share: float = getattr(settings, "CACHE_LOG_HITS", 1)
    return share >= 1 or random() < share  # noqa: S311  # nobody gains from guessing it


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)


cache = VersionedCache(Store())
