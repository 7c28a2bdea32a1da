"""Bumps that Redis did not take, to be tried again: until then others may believe a counter that is behind.

Nothing guarantees them: a process that dies takes them with it. The lease bounds what that can cost.
"""

import threading
import time
from collections.abc import Iterable

from versioned_cache import configuration
from versioned_cache.keys import Resource

MOST_OWED = 10_000
MOST_AT_ONCE = 100  # how many another bump can take along within its time


class OwedBumps:
    """The resources whose counters may be behind, since their bump failed. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[Resource, float] = {}

    def __len__(self) -> int:
        """Return how many are owed."""
        return len(self._until)

    def add(self, resources: Iterable[Resource]) -> None:
        """Remember resources for a lease: no counter that is there now is believed for longer."""
        until = time.monotonic() + configuration.lease_ms() / 1000
        with self._lock:
            for resource in resources:
                if len(self._until) < MOST_OWED or resource in self._until:
                    self._until[resource] = until

    def take(self) -> list[Resource]:
        """Return some that are still owed, and forget them: the caller adds them again if they fail."""
        now = time.monotonic()
        with self._lock:
            self._until = {resource: until for resource, until in self._until.items() if until > now}
            taken = list(self._until)[:MOST_AT_ONCE]
            for resource in taken:
                del self._until[resource]
        return taken
