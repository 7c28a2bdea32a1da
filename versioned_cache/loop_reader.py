"""Cached reads for an event loop, of what the process has in memory.

The current version comes from Redis, or from PostgreSQL while Redis is unusable. Reads that arrived before a statement
was sent share it, as they share a question to Redis (Note [Shared questions]); reads that come while one is under way
wait for the next.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import psycopg

from versioned_cache.breaker import CacheUnavailable
from versioned_cache.codings import Coding
from versioned_cache.counter_pipeline import CounterPipeline
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.keys import Resource, number_in
from versioned_cache.primary import IsStandby, says_standby
from versioned_cache.shared_builds import Payload, PayloadRequest
from versioned_cache.versions import SELECT_VERSIONS

PATIENCE_SECONDS = 1.0
OF_DJANGOS_CONNECTIONS = frozenset({"cursor_factory", "context"})


class LoopReader:
    """Reads what a process has in memory, for one event loop.

    Args:
        cache: The cache of the process.
        database: What Django connects to PostgreSQL with.
    """

    def __init__(self, cache: VersionedCache, database: Mapping[str, Any]) -> None:
        self._cache = cache
        self._counters: dict[str, CounterPipeline] = {}
        self._versions = SharedStatement(database)

    async def peek(
        self, resource: Resource, fingerprint: str, known: frozenset[int], coding: Coding
    ) -> Representation | None:
        """Return the resource's current body if this process has it in that coding, with the same promise as `read`.

        It asks Redis at most one question, or PostgreSQL one if Redis is unusable. None where more would have to be
        asked or done; such a read counts nothing.

        Args:
            resource: What to read.
            fingerprint: The shape of the body.
            known: Versions that the caller already has.
            coding: How the body is to be coded.
        """
        started = time.perf_counter()
        request, payload, outage = await self._look(resource, fingerprint, known, coding)
        if outage is not None:
            self._cache.note_outage(resource, outage, is_answered=payload is not None)
        return None if payload is None else self._cache.answer(request, payload, started)

    async def has(self, resource: Resource, fingerprint: str, known: frozenset[int], coding: Coding) -> bool:
        """Tell whether `peek` would return a body, or that the caller has it. Counts no read."""
        _, payload, outage = await self._look(resource, fingerprint, known, coding)
        if outage is not None:
            self._cache.note_outage(resource, outage, is_answered=False)
        return payload is not None

    def connect_ahead(self) -> None:
        """Begin to connect to each server, so that the first read does not wait for it."""
        for server in self._cache.store.primaries():
            self._pipeline_to(server).connect_ahead()

    async def close(self) -> None:
        """Give up the connections."""
        for pipeline in self._counters.values():
            pipeline.close()
        await self._versions.close()

    async def _look(
        self, resource: Resource, fingerprint: str, known: frozenset[int], coding: Coding
    ) -> tuple[PayloadRequest, Payload | None, CacheUnavailable | None]:
        """Return what was looked for, what was found, and why Redis could not tell the version, if so."""
        version, outage = await self._current_version(resource)
        request = PayloadRequest(resource, version or 0, fingerprint, redis_usable=outage is None)
        return request, None if version is None else self._cache.at_hand(request, known, coding), outage

    async def _current_version(self, resource: Resource) -> tuple[int | None, CacheUnavailable | None]:
        """Return the version as of after the call, and why Redis could not tell it, if so.

        The version is None where nobody can tell: no lease runs, there is no such thing, or PostgreSQL fails too.
        """
        try:
            server = self._cache.store.server_of(resource.counter_key)
            pipeline = self._counters.get(server) or self._pipeline_to(server)
            return number_in(await pipeline.get(resource.counter_key)), None
        except CacheUnavailable as error:
            outage = error
        try:
            return await self._versions.get(resource), outage
        except (psycopg.Error, OSError, TimeoutError):
            return None, outage

    def _pipeline_to(self, server: str) -> CounterPipeline:
        self._counters[server] = CounterPipeline(self._cache.store, server)
        return self._counters[server]


class _ImpatientConnection(psycopg.AsyncConnection[Any]):
    """A connection that does not wait for a server that is frozen."""

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, for a second at most.

        Cancelled from outside, psycopg would wait for ten more, for the server to cancel the statement.
        """
        return await super().wait(gen, interval, PATIENCE_SECONDS if timeout is None else timeout)


class SharedStatement:
    """Reads versions over one connection, for one event loop.

    Args:
        parameters: What Django connects with.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        own = {name: value for name, value in parameters.items() if name not in OF_DJANGOS_CONNECTIONS}
        self._parameters = own | {"autocommit": True, "prepare_threshold": None}
        self._connection: _ImpatientConnection | None = None
        self._waiting: dict[str, list[asyncio.Future[int | None]]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def get(self, resource: Resource) -> int | None:
        """Return the version that is committed after the call, or None where there is none.

        Raises:
            psycopg.Error, OSError, TimeoutError: PostgreSQL is unusable.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[int | None] = loop.create_future()
        self._waiting.setdefault(resource.name, []).append(waiter)
        if self._asking is None:
            self._asking = loop.create_task(self._ask_for_all())
        return await waiter

    async def close(self) -> None:
        """Give up the connection."""
        if self._asking is not None:
            self._asking.cancel()
        if self._connection is not None:
            await self._connection.close()

    async def _ask_for_all(self) -> None:
        """Ask for those who wait, and then for those who came meanwhile, until nobody waits."""
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            try:
                versions = await self._select(list(waiting))
            except Exception as error:  # noqa: BLE001  # those who wait are told, whatever it is
                await self._give_up()
                _tell([waiter for each in waiting.values() for waiter in each], error)
            else:
                for name, waiters in waiting.items():
                    for waiter in waiters:
                        if not waiter.done():
                            waiter.set_result(versions.get(name))
        self._asking = None

    async def _select(self, names: list[str]) -> dict[str, int]:
        if self._connection is None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                self._connection = await _ImpatientConnection.connect(**self._parameters)
            if says_standby(self._connection.pgconn):
                raise IsStandby
        cursor = await self._connection.execute(SELECT_VERSIONS, [names])
        return dict(await cursor.fetchall())

    async def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def _tell(waiters: list[asyncio.Future[int | None]], error: Exception) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)
