"""The declaration of a cached read: which resource a path names, and what builds its body."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import Http404

from versioned_cache.composer import ItemSource
from versioned_cache.engine import Representation, cache
from versioned_cache.keys import Resource, ResourceKind, kinds


@dataclass(frozen=True, slots=True)
class CachedRead:
    """A read that goes through the cache, of a resource of one kind.

    Its calls take what the path has: nothing, or the identifier of the resource as the one keyword argument.

    Attributes:
        kind: The kind of the resource.
        fetch: Builds the body from PostgreSQL, or returns None where there is no such thing; it is given the identifier
            as text, if the kind has identifiers. Or the source of the items that the body is made of.
        fingerprint: The shape of the body.
        not_found: Makes the exception that is raised where there is no such thing.
    """

    kind: ResourceKind
    fetch: Callable[..., bytes | None] | ItemSource
    fingerprint: str
    not_found: Callable[[], Exception] = Http404

    def __call__(self, known: frozenset[int] = frozenset(), **path: object) -> Representation:
        """Return the current body, from wherever it is; see `VersionedCache.read`."""
        resource = self.kind(*path.values())

        if isinstance(self.fetch, ItemSource):
            return cache.read(resource, self.fingerprint, self.fetch, known)

        def fetch_existing() -> bytes:
            body = self.body_of(resource)
            if body is None:
                raise self.not_found()
            return body

        return cache.read(resource, self.fingerprint, fetch_existing, known)

    def body_of(self, resource: Resource) -> bytes | None:
        """Build the body from PostgreSQL; None where there is no such thing."""
        if isinstance(self.fetch, ItemSource) or not self.kind.has_identifiers:
            return self.fetch()
        return self.fetch(resource.identifier)


declared_reads: dict[str, CachedRead] = {}
"""Every cached read of the project, by the label of its kind."""


def declare(read: CachedRead) -> CachedRead:
    """Make a read known to audits, and return it; there is one a kind, since a kind's bodies share their keys.

    Raises:
        ValueError: its kind is not registered, or has a read already.
    """
    label = read.kind.label
    if kinds.get(label) is not read.kind:
        raise ValueError(f"{read.kind} is not registered.")
    if label in declared_reads:
        raise ValueError(f"{read.kind} has a cached read already.")
    declared_reads[label] = read
    return read
