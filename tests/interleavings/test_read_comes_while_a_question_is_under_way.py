"""A read comes while its process is being told the version that it asked for before.

    first    asks for the counter, and Redis answers v; the answer is on its way
    writer   commits v+1, bumps, is answered
    second   reads in the same process: it must ask for itself, and not take the answer that is on its way

See Note [Shared questions]. The event loop is kept from reading its socket by what the writer does in it.
"""

import asyncio
import time
from collections.abc import Callable

from django.db import connection
from redis import Redis

from tests.interleavings.conftest import PATIENCE_SECONDS, RESOURCE, SHAPE, Stage
from versioned_cache.codings import Coding
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.loop_reader import LoopReader

NOTHING: frozenset[int] = frozenset()


def gets_executed(redis: Redis) -> int:
    """Return how many GETs the server has executed."""
    return int(redis.info("commandstats")["cmdstat_get"]["calls"])


def test_a_read_never_takes_an_answer_that_was_asked_for_before_it_came(
    stage: Stage, process: Callable[[], VersionedCache]
) -> None:
    cache = process()
    stage.read(cache)
    old_version = stage.version
    parameters = connection.get_connection_params()

    async def play() -> tuple[Representation | None, Representation | None]:
        reader = LoopReader(cache, parameters)
        await reader.peek(RESOURCE, SHAPE, NOTHING, Coding.IDENTITY)  # so that it is connected
        before = gets_executed(stage.redis)
        first = asyncio.create_task(reader.peek(RESOURCE, SHAPE, NOTHING, Coding.IDENTITY))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while gets_executed(stage.redis) == before:
            assert time.monotonic() < deadline, "the question was not asked"
        stage.write("new")
        second = await reader.peek(RESOURCE, SHAPE, NOTHING, Coding.IDENTITY)
        found = await first, second
        await reader.close()
        return found

    first, second = asyncio.run(play())

    assert first is not None
    assert first.version == old_version
    assert second is None, "the body of the new version is not at hand, and the old one's is out of date"
