"""The one way by which versions come from PostgreSQL to Redis, for writers and for readers alike."""

from collections.abc import Sequence

from versioned_cache.breaker import CacheUnavailable
from versioned_cache.keys import Resource
from versioned_cache.store import Store
from versioned_cache.versions import committed_versions

TRIES = 3


def raise_counters(store: Store, resources: Sequence[Resource], *, is_insistent: bool) -> dict[Resource, int]:
    """Bring Redis's counters up to the committed versions, and return those (Note [Raising]).

    Resources without a version are left out.

    Args:
        store: Redis.
        resources: Whose counters.
        is_insistent: Whether to try though Redis is not trusted at present, and to wait for longer.

    Raises:
        CacheUnavailable: Redis is unusable, or this process was held up each time for half a lease.
    """
    for _ in range(TRIES):
        # Note [The fence]: the time is asked before the versions.
        asked_at_ms = store.clock_ms(is_insistent=is_insistent)
        versions = committed_versions(resources)
        if store.raise_to(versions, asked_at_ms, is_insistent=is_insistent):
            return versions
    raise CacheUnavailable(f"held up for half a lease, {TRIES} times")
