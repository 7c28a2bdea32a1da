"""A cached read, described once: what it is called, what shape it has, what builds it."""

from collections.abc import Callable
from dataclasses import dataclass

from versioned_cache.engine import Representation, cache
from versioned_cache.keys import Resource


@dataclass(frozen=True, slots=True)
class CachedRead:
    """A read that goes through the cache. The arguments of all three functions are those of the path.

    Attributes:
        fingerprint: The shape of the body.
        resource_of: Names the resource.
        fetch: Builds the body from PostgreSQL.
    """

    fingerprint: str
    resource_of: Callable[..., Resource]
    fetch: Callable[..., bytes]

    def __call__(self, known: frozenset[int] = frozenset(), **path: object) -> Representation:
        """Return the current body, from wherever it is; see `VersionedCache.read`."""
        return cache.read(self.resource_of(**path), self.fingerprint, lambda: self.fetch(**path), known)

    def held(self, known: frozenset[int], **path: object) -> Representation | None:
        """Return the current body if this process holds it; see `VersionedCache.held`."""
        return cache.held(self.resource_of(**path), self.fingerprint, known)
