"""A read on the fast path: what a process has in memory, read in an event loop."""

import asyncio

from django.db import connection

from versioned_cache.codings import Coding
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.keys import Resource
from versioned_cache.loop_reader import LoopReader

NOTHING: frozenset[int] = frozenset()


def peek(
    cache: VersionedCache, resource: Resource, fingerprint: str, known: frozenset[int] = NOTHING, times: int = 1
) -> Representation | None:
    """Return the body if the process has it; if it is read several times, the last result."""

    async def ask() -> Representation | None:
        reader = LoopReader(cache, connection.get_connection_params())
        try:
            for _ in range(times):
                answer = await reader.peek(resource, fingerprint, known, Coding.IDENTITY)
            return answer
        finally:
            await reader.close()

    return asyncio.run(ask())
