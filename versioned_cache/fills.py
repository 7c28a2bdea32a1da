"""Where a version's body is found: in this process, in Redis, in another's hands, or else in PostgreSQL."""

import gzip
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from versioned_cache import metrics
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.flights import Flights
from versioned_cache.keys import Resource
from versioned_cache.memory import Memory
from versioned_cache.metrics import RedisOperation, Source
from versioned_cache.outage import OutageLog
from versioned_cache.raises import raise_counters
from versioned_cache.store import DamagedPayload, Store
from versioned_cache.versions import committed_version, one_snapshot

logger = structlog.get_logger(__name__)

Fetcher = Callable[[], bytes]
"""Builds a resource's body from PostgreSQL. What it raises goes through to the caller, and stores nothing."""

FILL_WAIT_SECONDS = 2.0  # bounds the wait for somebody else's build, not for Redis
FILL_POLL_SECONDS = 0.02
GZIP_LEVEL = 6  # zlib's own default; made once a version, so its cost is shared by all who read that


@dataclass(frozen=True, slots=True)
class Wanted:
    """A body that is looked for.

    Attributes:
        resource: Whose.
        version: The version to find; a newer one will do as well.
        fingerprint: The shape it must have.
        fetcher: What builds it.
        through_redis: Whether Redis told the version, and so may be asked for the body too.
    """

    resource: Resource
    version: int
    fingerprint: str
    fetcher: Fetcher
    through_redis: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A body that was found or built, and the version it belongs to; no body where that version was known."""

    body: bytes | None
    version: int | None
    source: Source
    is_built: bool


class Fills:
    """Finds bodies, and sees to it that each version is built once. Safe to share between threads."""

    def __init__(self, store: Store, outage: OutageLog) -> None:
        self._store = store
        self._outage = outage
        self._memory = Memory()
        self._flights: Flights[Found] = Flights()
        self._compressing = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """How many bytes of bodies this process holds."""
        return self._memory.held_bytes

    def find(self, wanted: Wanted) -> Found:
        """Return the body of the wanted version, which is not held here, or of a newer one."""
        found, is_ours = self._flights.lead(
            (wanted.resource, wanted.version, wanted.fingerprint), lambda: self._fill(wanted), FILL_WAIT_SECONDS
        )
        if found is None:
            return self._build(wanted, through_redis=wanted.through_redis, is_kept=False)
        return found if is_ours else Found(found.body, found.version, _near(wanted.through_redis), is_built=False)

    def held(self, resource: Resource, version: int, fingerprint: str, *, through_redis: bool) -> Found | None:
        """Return the body of the version if this process holds it."""
        body = self._memory.get(resource, version, fingerprint)
        return None if body is None else Found(body, version, _near(through_redis), is_built=False)

    def compressed(self, resource: Resource, version: int | None, fingerprint: str, body: bytes) -> bytes:
        """Return the gzip form of a version's body, which is held as another shape of it."""
        if version is None:
            return gzip.compress(body, GZIP_LEVEL)
        shape = f"{fingerprint}-gzip"
        held = self._memory.get(resource, version, shape)
        if held is not None:
            return held
        # One at a time: who comes second finds the first one's.
        with self._compressing:
            held = self._memory.get(resource, version, shape)
            if held is None:
                held = gzip.compress(body, GZIP_LEVEL)
                self._memory.put(resource, version, shape, held)
        return held

    def _fill(self, wanted: Wanted) -> Found:
        """Find the body beyond this process, or build it; one thread of this process at a time."""
        found, is_claimed, through_redis = None, False, wanted.through_redis
        if through_redis:
            try:
                found, is_claimed = self._look_in_redis(wanted)
            except CacheUnavailable as error:
                self._outage.report(RedisOperation.READ, wanted.resource, error)
                through_redis = False
        if found is None:
            try:
                found = self._build(wanted, through_redis=through_redis, is_kept=is_claimed)
            finally:
                if is_claimed:
                    self._release(wanted)
        if found.version is not None and found.body is not None:
            self._memory.put(wanted.resource, found.version, wanted.fingerprint, found.body)
        return found

    def _look_in_redis(self, wanted: Wanted) -> tuple[Found | None, bool]:
        """Return the body from Redis, if need be after another process has built it, and whether we are to build it."""
        found = self._stored(wanted, wanted.version)
        if found is not None:
            return found, False
        found, is_claimed = self._claim(wanted)
        if found is not None or is_claimed:
            return found, is_claimed
        return self._wait_for_the_builder(wanted)

    def _wait_for_the_builder(self, wanted: Wanted) -> tuple[Found | None, bool]:
        """Return what another process builds; or, when it gives up, whether we are to build it."""
        patience_ends = time.monotonic() + FILL_WAIT_SECONDS
        while time.monotonic() < patience_ends:
            time.sleep(FILL_POLL_SECONDS)
            # The builder may have met a newer version than the one it set out for.
            version = self._store.version(wanted.resource) or wanted.version
            found = self._stored(wanted, version)
            if found is not None:
                return found, False
            found, is_claimed = self._claim(wanted)
            if found is not None or is_claimed:
                return found, is_claimed
        return None, False

    def _claim(self, wanted: Wanted) -> tuple[Found | None, bool]:
        """Claim the build; return the body instead if a builder stored it and gave up its claim meanwhile."""
        if not self._store.claim_fill(wanted.resource, wanted.version, wanted.fingerprint, FILL_WAIT_SECONDS):
            return None, False
        found = None
        with suppress(DamagedPayload):  # which the first look has reported
            found = self._undamaged(wanted, wanted.version)
        if found is not None:
            self._release(wanted)
        return found, found is None

    def _release(self, wanted: Wanted) -> None:
        try:
            self._store.release_fill(wanted.resource, wanted.version, wanted.fingerprint)
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.STORE, wanted.resource, error)

    def _stored(self, wanted: Wanted, version: int) -> Found | None:
        try:
            return self._undamaged(wanted, version)
        except DamagedPayload as error:
            key = wanted.resource.payload_key(version)
            logger.warning("procedure_cache_payload_refused", key=key, error=str(error))
            return None

    def _undamaged(self, wanted: Wanted, version: int) -> Found | None:
        body = self._store.payload(wanted.resource, version, wanted.fingerprint)
        return None if body is None else Found(body, version, Source.REDIS, is_built=False)

    def _build(self, wanted: Wanted, *, through_redis: bool, is_kept: bool) -> Found:
        """Build the body and its version from one snapshot, so that it is that version's for ever."""
        with one_snapshot():
            version = committed_version(wanted.resource)
            body = wanted.fetcher()
        if through_redis and version is not None:
            # Note [Reads never go back]; and a counter that is ahead of PostgreSQL is put right, if it can be.
            if version != wanted.version:
                self._tell(wanted.resource)
            if is_kept:
                self._keep(wanted, version, body)
        return Found(body, version, Source.DATABASE if through_redis else Source.FALLBACK, is_built=True)

    def _tell(self, resource: Resource) -> None:
        """Tell the other readers of a version that this one is about to answer with, or of a newer one."""
        try:
            raise_counters(self._store, [resource], is_insistent=False)
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.STORE, resource, error)

    def _keep(self, wanted: Wanted, version: int, body: bytes) -> None:
        try:
            is_stored = self._store.keep(wanted.resource, version, wanted.fingerprint, body)
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.STORE, wanted.resource, error)
        else:
            if is_stored:
                metrics.STORES.labels(wanted.resource.kind).inc()


def _near(through_redis: bool) -> Source:
    """Return the source of what this process has, by who told its version."""
    return Source.MEMORY if through_redis else Source.FALLBACK
