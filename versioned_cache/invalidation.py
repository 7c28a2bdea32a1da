"""Bumping counters when, and only when, the writing transaction has committed.

There is no state beside Django's own queue of on_commit hooks, so whatever Django forgets (a rolled-back
savepoint, a rolled-back transaction, a lost connection) is forgotten here too.
"""

from collections.abc import Iterable

from django.db import connection, transaction

from versioned_cache.engine import cache
from versioned_cache.keys import Resource


class _Bump:
    """A hook in Django's queue: the resources written under one stack of savepoints."""

    def __init__(self, resources: Iterable[Resource], earlier: Iterable["_Bump"]) -> None:
        self.resources = dict.fromkeys(resources)  # ordered, each once
        # Note [One bump a transaction]
        # The hooks of a transaction share one round trip: the first to run takes the others along. None of these can
        # have been dropped by then: savepoints end in reverse order, so that drops this hook too.
        self.earlier = tuple(earlier)
        self.is_done = False
        self.__qualname__ = type(self).__qualname__  # Django names a hook that fails by it

    def __call__(self) -> None:
        if self.is_done:
            return
        hooks = [*(hook for hook in self.earlier if not hook.is_done), self]
        for hook in hooks:
            hook.is_done = True
        cache.invalidate(list(dict.fromkeys(resource for hook in hooks for resource in hook.resources)))


def invalidate_on_commit(*resources: Resource) -> None:
    """Bump the counters of `resources` once the current transaction has committed, or now outside of one.

    Each counter is bumped once a transaction, however often its resource is written, and before any other app's hook
    runs: one that fails, or that reads, finds the bump done.
    """
    if not connection.in_atomic_block:
        cache.invalidate(resources)
        return
    queue = connection.run_on_commit
    queued = [(entry[0], entry[1]) for entry in queue if isinstance(entry[1], _Bump)]
    for savepoints, hook in queued:
        if savepoints == set(connection.savepoint_ids):
            hook.resources.update(dict.fromkeys(resources))
            return
    # Robust, so that Django goes on with the other hooks whatever happens in ours.
    transaction.on_commit(_Bump(resources, earlier=[hook for _, hook in queued]), robust=True)
    queue.insert(0, queue.pop())
