"""Current versions for an event loop: from Redis, or while Redis is unusable from PostgreSQL.

Reads share a statement as they share a question to Redis (Note [Shared questions]): those that arrived before it was
sent. Whoever comes while one is under way waits for the next.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import psycopg

from versioned_cache.breaker import CacheUnavailable
from versioned_cache.counter_pipeline import CounterPipeline
from versioned_cache.keys import Resource, number_in
from versioned_cache.store import Store
from versioned_cache.versions import SELECT_VERSIONS

PATIENCE_SECONDS = 1.0
OF_DJANGOS_CONNECTIONS = frozenset({"cursor_factory", "context"})


class LoopVersions:
    """The current versions of resources, for the reads of one event loop.

    Args:
        store: Redis.
        database: What Django connects to PostgreSQL with.
    """

    def __init__(self, store: Store, database: Mapping[str, Any]) -> None:
        self._counters = CounterPipeline(store.connect, store.breaker)
        self._database = SharedStatement(database)

    async def current(self, resource: Resource) -> tuple[int | None, CacheUnavailable | None]:
        """Return the version as it is after the call, and why it was not Redis who told.

        None where nobody has a version to tell: no lease runs, or there is no such thing, or PostgreSQL fails too.
        """
        try:
            return number_in(await self._counters.get(resource.counter_key)), None
        except CacheUnavailable as error:
            outage = error
        try:
            return await self._database.get(resource), outage
        except (psycopg.Error, OSError, TimeoutError):
            return None, outage

    async def close(self) -> None:
        """Give up the connections."""
        self._counters.close()
        await self._database.close()


class SharedStatement:
    """Reads versions over one connection, for one event loop.

    Args:
        parameters: What Django connects with.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        own = {name: value for name, value in parameters.items() if name not in OF_DJANGOS_CONNECTIONS}
        self._parameters = own | {"autocommit": True, "prepare_threshold": None}
        self._connection: psycopg.AsyncConnection[Any] | None = None
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
        """Ask for those who wait, and then for those who came meanwhile, until nobody does."""
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
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
            self._connection = await psycopg.AsyncConnection.connect(**self._parameters)
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
