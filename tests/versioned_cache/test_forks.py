"""A process forks after it has read: the child shares no connection with its parent, and can make its own."""

import os
from threading import Barrier

import pytest
from redis import Redis

from procedures.caches import PROCEDURE_LIST
from tests.processes import eventually
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.connection import THREADS_IN_THE_BACKGROUND, background
from versioned_cache.store import Store


def counter_of(store: Store) -> int | None:
    """Return the counter; None where Redis is too busy to tell."""
    try:
        return store.counter(PROCEDURE_LIST)
    except CacheUnavailable:
        return None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_asks_over_a_connection_of_its_own(store: Store, redis: Redis) -> None:
    redis.set(PROCEDURE_LIST.counter_key, 7)
    eventually(lambda: counter_of(store) == 7)
    together = Barrier(THREADS_IN_THE_BACKGROUND)
    list(background().map(lambda _: together.wait(), range(THREADS_IN_THE_BACKGROUND)))  # all of them have begun
    connections = redis.info("stats")["total_connections_received"]

    child = os.fork()
    if child == 0:
        try:
            eventually(lambda: counter_of(store) == 7)
            os._exit(0)
        finally:
            os._exit(1)

    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert redis.info("stats")["total_connections_received"] > connections
