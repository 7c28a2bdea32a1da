"""The one way in which versions get from PostgreSQL to Redis, for writers and for readers alike."""

from collections.abc import Sequence

from versioned_cache.breaker import CacheUnavailable
from versioned_cache.keys import Resource
from versioned_cache.store import Store
from versioned_cache.versions import committed_versions

TRIES = 3


def bump_counters(store: Store, resources: Sequence[Resource], *, bypass_breaker: bool = False) -> dict[Resource, int]:
    """Bump Redis's counters up to the committed versions, and return those (Note [Bumping]).

    Resources without a version are left out.

    Args:
        store: Redis.
        resources: Whose counters.
        bypass_breaker: Whether to try even while the breaker is open, and with more patience.

    Raises:
        CacheUnavailable: Redis is unusable, or this process was delayed each time for half a lease.
    """
    versions: dict[Resource, int] = {}
    for group in store.by_server(resources):
        versions |= _bump_on_one_server(store, group, bypass_breaker=bypass_breaker)
    return versions


def _bump_on_one_server(store: Store, resources: Sequence[Resource], *, bypass_breaker: bool) -> dict[Resource, int]:
    for _ in range(TRIES):
        # Note [The fence]: the time is asked before the versions.
        asked_at_ms = store.clock_ms(resources[0], bypass_breaker=bypass_breaker)
        versions = committed_versions(resources)
        if store.bump(versions, asked_at_ms, bypass_breaker=bypass_breaker):
            return versions
    raise CacheUnavailable(f"delayed for half a lease, {TRIES} times")
