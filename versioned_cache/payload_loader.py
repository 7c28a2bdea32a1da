"""Where a version's body comes from: this process's memory, Redis, somebody else's build, or else PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial

from versioned_cache import gzip_form
from versioned_cache.breaker import CacheUnavailable, is_full
from versioned_cache.bumps import bump_counters
from versioned_cache.codings import Coding
from versioned_cache.composer import Build, Composer, ItemSource
from versioned_cache.composition import Composition, Segments
from versioned_cache.configuration import LONG_BYTES
from versioned_cache.connection import storing
from versioned_cache.keys import Resource
from versioned_cache.memory import Body, Memory, segments_of
from versioned_cache.metrics import RedisOperation, Source
from versioned_cache.outage import OutageLog
from versioned_cache.payload_store import PayloadStore
from versioned_cache.shared_builds import Fetcher, Payload, PayloadRequest, SharedBuilds
from versioned_cache.single_flight import SingleFlight
from versioned_cache.store import Store
from versioned_cache.versions import committed_version, one_snapshot

BUILD_WAIT_SECONDS = 10.0  # for another thread of this process that builds: longer than any request may wait


def _to_nobody(_progress: str) -> None:
    """Report the progress of a build to nobody: only this process waits for it."""


class PayloadLoader:
    """Finds bodies, and makes sure that each version is built once. Safe to share between threads."""

    def __init__(self, store: Store, outage: OutageLog) -> None:
        self._store = store
        self._outage = outage
        payloads = PayloadStore(store)
        self._memory = Memory()
        self._composer = Composer(payloads, self._memory)
        self._shared = SharedBuilds(store, payloads, self._composer, outage)
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
        body = self._held(request.resource, request.version, request.fingerprint, coding)
        return None if body is None else Payload(body, request.version, _memory_source(request))

    def load(self, request: PayloadRequest, fetcher: Fetcher) -> Payload:
        """Return the body of the version, which is not in memory, or of a newer one."""
        payload, is_ours = self._single_flight.call(
            (request.resource, request.version, request.fingerprint),
            lambda: self._load_into_memory(request, fetcher),
            BUILD_WAIT_SECONDS,
        )
        if payload is None:
            return self._answer_with(request, self._build(request, fetcher), redis_usable=request.redis_usable)
        return payload if is_ours else Payload(payload.body, payload.version, _memory_source(request))

    def coded(self, resource: Resource, version: int | None, fingerprint: str, body: Body, coding: Coding) -> Segments:
        """Return a version's body in a coding, which memory keeps beside it."""
        if coding is Coding.IDENTITY:
            return segments_of(body)
        if version is None:
            return (gzip_form.compressed(bytes(body)),)
        coded = self._held(resource, version, fingerprint, coding)
        if coded is None:
            with self._compressing:  # one at a time: the second finds what the first has made
                coded = self._held(resource, version, fingerprint, coding)
                if coded is None:
                    coded = self._compress(resource, version, fingerprint, body)
        return segments_of(coded)

    def _held(self, resource: Resource, version: int, fingerprint: str, coding: Coding) -> Body | None:
        if coding is Coding.IDENTITY:
            return self._memory.get(resource, version, fingerprint)
        coded = self._memory.get(resource, version, _gzip_shape(fingerprint))
        if coded is not None:
            return coded
        body = self._memory.get(resource, version, fingerprint)
        return body.known_gzipped if isinstance(body, Composition) else None

    def _compress(self, resource: Resource, version: int, fingerprint: str, body: Body) -> Body:
        if isinstance(body, Composition):
            coded: Body = body.gzipped
            if self._memory.get(resource, version, fingerprint) is body:  # not pushed out by a newer one meanwhile
                self._memory.put(resource, version, fingerprint, body)  # again, since it takes more room now
        else:
            coded = gzip_form.compressed(bytes(body))
            self._memory.put(resource, version, _gzip_shape(fingerprint), coded)
        return coded

    def _load_into_memory(self, request: PayloadRequest, fetcher: Fetcher) -> Payload:
        """Find the body beyond this process, or build it; one thread of this process at a time."""
        payload, is_claimed, redis_usable = None, False, request.redis_usable
        if redis_usable:
            try:
                payload, is_claimed = self._shared.find(request, fetcher)
            except CacheUnavailable as error:
                self._outage.report(RedisOperation.READ, request.resource, error)
                redis_usable = is_full(error)  # then a version that is newer than the counter can still be bumped
        if payload is None:
            payload = (
                self._build_for_all(request, fetcher)
                if is_claimed
                else self._answer_with(request, self._build(request, fetcher), redis_usable=redis_usable)
            )
        if payload.version is not None and payload.body is not None:
            self._memory.put(request.resource, payload.version, request.fingerprint, payload.body)
        return payload

    def _build_for_all(self, request: PayloadRequest, fetcher: Fetcher) -> Payload:
        """Build what is claimed, and let other processes find it (Note [Answered before it is stored])."""
        try:
            build = self._build(request, fetcher, partial(self._shared.say, request))
            payload = self._answer_with(request, build, redis_usable=True)
        except BaseException:
            self._shared.release(request)
            raise
        if len(build.body) <= LONG_BYTES:
            self._hand_over(request, build)
        else:
            handing_over = storing().submit(copy_context().run, self._hand_over, request, build)
            handing_over.add_done_callback(Future.result)  # so that it is logged if that fails
        return payload

    def _hand_over(self, request: PayloadRequest, build: Build) -> None:
        """Store what was built for the other processes, and give up the claim."""
        unstored_seconds = 0.0
        try:
            if build.version is not None:
                unstored_seconds = self._shared.store(request, build.version, build)
        finally:
            self._shared.release(request, unstored_seconds)

    def _build(self, request: PayloadRequest, fetcher: Fetcher, say: Callable[[str], None] = _to_nobody) -> Build:
        """Build the body and its version from one snapshot, so that it is that version's for ever."""
        with one_snapshot():
            if isinstance(fetcher, ItemSource):
                return self._composer.from_snapshot(request.resource, request.fingerprint, fetcher, say)
            version = committed_version(request.resource)
            return Build(version, fetcher(), [])

    def _answer_with(self, request: PayloadRequest, build: Build, *, redis_usable: bool) -> Payload:
        # Note [Reads never go back]; and a counter that is ahead of PostgreSQL is put right, if it can be.
        if redis_usable and build.version not in {None, request.version}:
            self._bump(request.resource)
        return Payload(build.body, build.version, Source.DATABASE if redis_usable else Source.FALLBACK, is_built=True)

    def _bump(self, resource: Resource) -> None:
        """Let no other read be answered with an older version than the one that is about to be answered here."""
        try:
            bump_counters(self._store, [resource])
        except CacheUnavailable as error:
            self._outage.report(RedisOperation.STORE, resource, error)


def _memory_source(request: PayloadRequest) -> Source:
    """Return the source to name for a body that this process has: it depends on where the version came from."""
    return Source.MEMORY if request.redis_usable else Source.FALLBACK


def _gzip_shape(fingerprint: str) -> str:
    """Return the name under which memory keeps the gzip form of a plain body."""
    return f"{fingerprint}-{Coding.GZIP}"
