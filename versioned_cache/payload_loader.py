"""Where a version's body comes from: this process's memory, Redis, somebody else's build, or else PostgreSQL."""

import gzip
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from versioned_cache import events, metrics
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.bumps import bump_counters
from versioned_cache.codings import Coding
from versioned_cache.keys import Resource
from versioned_cache.memory import Memory
from versioned_cache.metrics import RedisOperation, Source
from versioned_cache.outage import OutageLog
from versioned_cache.single_flight import SingleFlight
from versioned_cache.store import DamagedPayload, Store
from versioned_cache.versions import committed_version, one_snapshot

logger = structlog.get_logger(__name__)

Fetcher = Callable[[], bytes]
"""Builds a resource's body from PostgreSQL. What it raises goes through to the caller, and stores nothing."""

FILL_WAIT_SECONDS = 2.0  # bounds the wait for somebody else's build, not for Redis
FILL_POLL_SECONDS = 0.02
GZIP_LEVEL = 6  # zlib's own default; made once a version, so its cost is shared by all who read that


@dataclass(frozen=True, slots=True)
class PayloadRequest:
    """A body to find.

    Attributes:
        resource: Whose.
        version: The version to find; a newer one will do as well.
        fingerprint: The shape it must have.
        redis_usable: Whether Redis told the version, and so may be asked for the body too.
    """

    resource: Resource
    version: int
    fingerprint: str
    redis_usable: bool

    @property
    def memory_source(self) -> Source:
        """What to name as the source of a body that this process has: it depends on who told its version."""
        return Source.MEMORY if self.redis_usable else Source.FALLBACK


@dataclass(frozen=True, slots=True)
class Payload:
    """A body, the version it belongs to, and where it came from; no body where the caller knows that version."""

    body: bytes | None
    version: int | None
    source: Source
    is_built: bool = False


class PayloadLoader:
    """Finds bodies, and sees to it that each version is built once. Safe to share between threads."""

    def __init__(self, store: Store, outage: OutageLog) -> None:
        self._store = store
        self._outage = outage
        self._memory = Memory()
        self._single_flight: SingleFlight[Payload] = SingleFlight()
        self._compressing = threading.Lock()

    @property
    def memory_bytes(self) -> int:
        """How many bytes of bodies are in memory."""
        return self._memory.size_bytes

    def at_hand(
        self, request: PayloadRequest, known: frozenset[int], coding: Coding = Coding.IDENTITY
    ) -> Payload | None:
        """Return the payload without asking anybody: the caller knows the version, or its body is in memory."""
        if request.version in known:
            source = Source.REDIS if request.redis_usable else Source.FALLBACK
            return Payload(None, request.version, source)
        body = self._memory.get(request.resource, request.version, _shape(request.fingerprint, coding))
        return None if body is None else Payload(body, request.version, request.memory_source)

    def load(self, request: PayloadRequest, fetcher: Fetcher) -> Payload:
        """Return the body of the version, which is not in memory, or of a newer one."""
        payload, is_ours = self._single_flight.call(
            (request.resource, request.version, request.fingerprint),
            lambda: self._load_into_memory(request, fetcher),
            FILL_WAIT_SECONDS,
        )
        if payload is None:
            return self._build(request, fetcher, redis_usable=request.redis_usable, is_claimed=False)
        return payload if is_ours else Payload(payload.body, payload.version, request.memory_source)

    def coded(self, resource: Resource, version: int | None, fingerprint: str, body: bytes, coding: Coding) -> bytes:
        """Return a version's body in a coding, which memory keeps as another shape of it."""
        if coding is Coding.IDENTITY:
            return body
        if version is None:
            return gzip.compress(body, GZIP_LEVEL)
        shape = _shape(fingerprint, coding)
        coded = self._memory.get(resource, version, shape)
        if coded is not None:
            return coded
        # One at a time: who comes second finds the first one's.
        with self._compressing:
            coded = self._memory.get(resource, version, shape)
            if coded is None:
                coded = gzip.compress(body, GZIP_LEVEL)
                self._memory.put(resource, version, shape, coded)
        return coded

    def _load_into_memory(self, request: PayloadRequest, fetcher: Fetcher) -> Payload:
        """Find the body beyond this process, or build it; one thread of this process at a time."""
        payload, is_claimed, redis_usable = None, False, request.redis_usable
        if redis_usable:
            try:
                payload, is_claimed = self._find_in_redis(request)
            except CacheUnavailable as error:
                self._outage.report(RedisOperation.READ, request.resource, error)
                redis_usable = False
        if payload is None:
            try:
                payload = self._build(request, fetcher, redis_usable=redis_usable, is_claimed=is_claimed)
            finally:
                if is_claimed:
                    self._release(request)
        if payload.version is not None and payload.body is not None:
            self._memory.put(request.resource, payload.version, request.fingerprint, payload.body)
        return payload

    def _find_in_redis(self, request: PayloadRequest) -> tuple[Payload | None, bool]:
        """Return the body from Redis, if need be after another process has built it, and whether we are to build it."""
        payload = self._stored(request, request.version)
        if payload is not None:
            return payload, False
        payload, is_claimed = self._claim(request)
        if payload is not None or is_claimed:
            return payload, is_claimed
        return self._wait_for_the_builder(request)

    def _wait_for_the_builder(self, request: PayloadRequest) -> tuple[Payload | None, bool]:
        """Return what another process builds; or, when it gives up, whether we are to build it."""
        wait_ends = time.monotonic() + FILL_WAIT_SECONDS
        while time.monotonic() < wait_ends:
            time.sleep(FILL_POLL_SECONDS)
            # The builder may have met a newer version than the one it set out for.
            version = self._store.counter(request.resource) or request.version
            payload = self._stored(request, version)
            if payload is not None:
                return payload, False
            payload, is_claimed = self._claim(request)
            if payload is not None or is_claimed:
                return payload, is_claimed
        return None, False

    def _claim(self, request: PayloadRequest) -> tuple[Payload | None, bool]:
        """Claim the build; return the body instead if a builder stored it and gave up its claim meanwhile."""
        if not self._store.claim_fill(request.resource, request.version, request.fingerprint, FILL_WAIT_SECONDS):
            return None, False
        payload = None
        with suppress(DamagedPayload):  # which the first look has reported
            payload = self._undamaged(request, request.version)
        if payload is not None:
            self._release(request)
        return payload, payload is None

    def _release(self, request: PayloadRequest) -> None:
        try:
            self._store.release_fill(request.resource, request.version, request.fingerprint)
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.STORE, request.resource, error)

    def _stored(self, request: PayloadRequest, version: int) -> Payload | None:
        try:
            return self._undamaged(request, version)
        except DamagedPayload as error:
            logger.warning(events.PAYLOAD_REFUSED, key=request.resource.payload_key(version), error=str(error))
            return None

    def _undamaged(self, request: PayloadRequest, version: int) -> Payload | None:
        body = self._store.payload(request.resource, version, request.fingerprint)
        return None if body is None else Payload(body, version, Source.REDIS)

    def _build(self, request: PayloadRequest, fetcher: Fetcher, *, redis_usable: bool, is_claimed: bool) -> Payload:
        """Build the body and its version from one snapshot, so that it is that version's for ever."""
        with one_snapshot():
            version = committed_version(request.resource)
            body = fetcher()
        if redis_usable and version is not None:
            # Note [Reads never go back]; and a counter that is ahead of PostgreSQL is put right, if it can be.
            if version != request.version:
                self._bump(request.resource)
            if is_claimed:
                self._store_payload(request, version, body)
        return Payload(body, version, Source.DATABASE if redis_usable else Source.FALLBACK, is_built=True)

    def _bump(self, resource: Resource) -> None:
        """Let no other read be answered with an older version than the one that is about to be answered here."""
        try:
            bump_counters(self._store, [resource])
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.STORE, resource, error)

    def _store_payload(self, request: PayloadRequest, version: int, body: bytes) -> None:
        try:
            is_stored = self._store.store_payload(request.resource, version, request.fingerprint, body)
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.STORE, request.resource, error)
        else:
            if is_stored:
                metrics.STORES.labels(request.resource.kind.label).inc()


def _shape(fingerprint: str, coding: Coding) -> str:
    """Return the name under which memory keeps a body in a coding."""
    return fingerprint if coding is Coding.IDENTITY else f"{fingerprint}-{coding}"
