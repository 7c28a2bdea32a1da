"""Builds as processes share them through Redis: which of them builds a version, and where the others find it."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import structlog

from versioned_cache import configuration, events, metrics
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.composer import Build, Composer, ItemSource
from versioned_cache.composition import NO_VERSION, Composition, Item
from versioned_cache.keys import Resource
from versioned_cache.memory import Body, segments_of
from versioned_cache.metrics import RedisOperation, Source
from versioned_cache.outage import OutageLog
from versioned_cache.payload_store import DamagedPayload, Look, PayloadStore
from versioned_cache.store import Store

logger = structlog.get_logger(__name__)

Fetcher = Callable[[], bytes] | ItemSource
"""Builds a resource's body from PostgreSQL. What it raises goes through to the caller, and stores nothing."""

CLAIM_WAIT_SECONDS = 2.0  # for a sign of life of whoever builds; it bounds no wait for Redis
CLAIM_POLL_SECONDS = 0.02
UNSTORED = "unstored"
"""What is said in place of a claim: this version was built, and Redis has not got it."""


class PayloadRequest(NamedTuple):
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


class Payload(NamedTuple):
    """A body, the version it belongs to, and where it came from; no body where the caller knows that version."""

    body: Body | None
    version: int | None
    source: Source
    is_built: bool = False


class SharedBuilds:
    """Finds what other processes have built, and lets them find what this one builds. Safe between threads."""

    def __init__(self, store: Store, payloads: PayloadStore, composer: Composer, outage: OutageLog) -> None:
        self._store = store
        self._payloads = payloads
        self._composer = composer
        self._outage = outage

    def find(self, request: PayloadRequest, fetcher: Fetcher) -> tuple[Payload | None, bool]:
        """Return the body from Redis, if need be after another process has built it, and whether we are to build it.

        Whoever is to build it owes a `release`.

        Raises:
            CacheUnavailable: Redis is unusable.
        """
        payload = self._stored(request, request.version, fetcher)
        if payload is not None:
            return payload, False
        payload, is_claimed = self._claim(request, fetcher)
        if payload is not None or is_claimed:
            return payload, is_claimed
        return self._wait_for_the_builder(request, fetcher)

    def say(self, request: PayloadRequest, progress: str) -> None:
        """Let those who wait know that the build goes on, and how far it is."""
        try:
            self._store.renew_claim(
                request.resource, request.version, request.fingerprint, progress, CLAIM_WAIT_SECONDS
            )
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.STORE, request.resource, error)

    def store(self, request: PayloadRequest, version: int, build: Build) -> float:
        """Store what was built for others to find; return for how many seconds they need not look for it, if they do.

        Of what is too long to be stored as a whole, the items are stored that were built for it: others have the rest.
        """
        try:
            if len(build.body) <= configuration.max_payload_bytes():
                self._store_whole(request, version, build.body)
            else:
                self._note_oversize(request, version, build.body)
                if not isinstance(build.body, Composition):
                    return configuration.PAYLOAD_TTL_SECONDS
                self._store_items(request, version, build.body, build.items)
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.STORE, request.resource, error)
            return CLAIM_WAIT_SECONDS
        return 0.0

    def release(self, request: PayloadRequest, unstored_seconds: float = 0.0) -> None:
        """Give up the claim.

        Args:
            request: What was claimed.
            unstored_seconds: For how long nobody is to wait for others, since Redis has not got the body.
        """
        try:
            if unstored_seconds:
                self._store.renew_claim(
                    request.resource, request.version, request.fingerprint, UNSTORED, unstored_seconds
                )
            else:
                self._store.release_claim(request.resource, request.version, request.fingerprint)
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.STORE, request.resource, error)

    def _wait_for_the_builder(self, request: PayloadRequest, fetcher: Fetcher) -> tuple[Payload | None, bool]:
        """Return what another process builds; or, when it gives up, whether we are to build it."""
        progress, wait_ends = "", time.monotonic() + CLAIM_WAIT_SECONDS
        while time.monotonic() < wait_ends:
            said = self._store.claim_progress(request.resource, request.version, request.fingerprint)
            if said == UNSTORED:  # others who wait build at the same time, for themselves
                break
            if said != progress:
                progress, wait_ends = said, time.monotonic() + CLAIM_WAIT_SECONDS
            time.sleep(CLAIM_POLL_SECONDS)
            # The builder may have met a newer version than the one it set out for.
            version = self._store.counter(request.resource) or request.version
            payload = self._stored(request, version, fetcher)
            if payload is not None:
                return payload, False
            payload, is_claimed = self._claim(request, fetcher)
            if payload is not None or is_claimed:
                return payload, is_claimed
        return None, False

    def _claim(self, request: PayloadRequest, fetcher: Fetcher) -> tuple[Payload | None, bool]:
        """Claim the build; return the body instead if a builder stored it and gave up its claim meanwhile."""
        look = self._look(request, request.version, fetcher, claim_seconds=CLAIM_WAIT_SECONDS)
        payload = None
        with suppress(DamagedPayload):  # which the first look has reported
            payload = self._found(look, fetcher)
        if payload is not None and look.is_claimed:
            self.release(request)
        return payload, payload is None and look.is_claimed

    def _stored(self, request: PayloadRequest, version: int, fetcher: Fetcher) -> Payload | None:
        try:
            return self._found(self._look(request, version, fetcher), fetcher)
        except DamagedPayload as error:
            logger.warning(events.PAYLOAD_REFUSED, key=request.resource.payload_key(version), error=str(error))
            return None

    def _look(self, request: PayloadRequest, version: int, fetcher: Fetcher, claim_seconds: float = 0.0) -> Look:
        resource, fingerprint = request.resource, request.fingerprint
        if isinstance(fetcher, ItemSource):
            return self._composer.look(resource, version, fingerprint, claim_seconds)
        return self._payloads.look(resource, version, fingerprint, claim_seconds=claim_seconds)

    def _found(self, look: Look, fetcher: Fetcher) -> Payload | None:
        body: Body | None = None
        if isinstance(fetcher, ItemSource):
            body = self._composer.from_redis(look, fetcher.kind)
        if body is None:
            body = self._payloads.body(look)
        return None if body is None else Payload(body, look.version, Source.REDIS)

    def _store_whole(self, request: PayloadRequest, version: int, body: Body) -> None:
        items = body.items if isinstance(body, Composition) else ()
        self._payloads.store_payload(request.resource, version, request.fingerprint, *segments_of(body), items=items)
        metrics.STORES.labels(request.resource.kind.label).inc()

    def _store_items(self, request: PayloadRequest, version: int, composition: Composition, items: list[Item]) -> None:
        versioned = [item for item in items if item.version != NO_VERSION]
        self._payloads.store_item_bodies(composition, versioned, request.fingerprint)
        self._payloads.store_index(request.resource, version, request.fingerprint, composition.items)
        metrics.STORES.labels(composition.kind.label).inc(len(versioned))

    def _note_oversize(self, request: PayloadRequest, version: int, body: Body) -> None:
        metrics.OVERSIZE.labels(request.resource.kind.label).inc()
        logger.warning(
            events.PAYLOAD_OVERSIZE,
            resource=request.resource.kind.label,
            key=request.resource.payload_key(version),
            version=version,
            bytes=len(body),
            limit=configuration.max_payload_bytes(),
        )
