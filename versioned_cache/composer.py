"""Making a body of its items, of which most are at hand: it costs what has changed, however long the body is.

Note [Items of one snapshot]. An item's body is a function of its version, as every body is. So a list is made of
exactly the items whose versions one snapshot shows, together with the list's own: an item in another version would stay
in the list until the list is written again. Wherever an item comes from, it was kept under its version.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import Error as DatabaseFailure

from versioned_cache.build_signals import build_goes_on
from versioned_cache.composition import NO_VERSION, WHOLE_BYTES, Composition, Item, item_of
from versioned_cache.keys import Resource, ResourceKind
from versioned_cache.memory import Body, Memory
from versioned_cache.payload_store import PIECE_BYTES, DamagedPayload, Look, PayloadStore
from versioned_cache.versions import identifiers_of, one_snapshot, versions_of_items

ITEMS_A_STATEMENT = 500  # the rows of more would take more memory than what is made of them


@dataclass(frozen=True, slots=True)
class ItemSource:
    """The fetcher of a body that is made of the bodies of other resources, of one kind and of the same shape.

    Attributes:
        kind: The kind of the items.
        identifiers: A query of PostgreSQL for which there are: one column of text, in their order.
        bodies: Builds the bodies of some from PostgreSQL, by identifier. Each is exactly what the item's own cached
            read has; of what does not exist there is none.
    """

    kind: ResourceKind
    identifiers: str
    bodies: Callable[[Sequence[str]], Mapping[str, bytes]]

    def __call__(self) -> bytes:
        """Build the body, from one snapshot and without anything that is cached."""
        with one_snapshot():
            return list_of(identifiers_of(self.identifiers), self.bodies)


def list_of(identifiers: Sequence[str], bodies_of: Callable[[Sequence[str]], Mapping[str, bytes]]) -> bytes:
    """Build the body that is made of these items, without anything that is cached.

    Args:
        identifiers: The items, in their order. What does not exist is left out.
        bodies_of: Builds the bodies of some; it is asked for at most 500 at once.
    """
    items: list[bytes] = []
    for some in _batches(identifiers):
        bodies = bodies_of(some)
        items += [bodies[identifier] for identifier in some if identifier in bodies]
    return b"[" + b",".join(items) + b"]"


class Build(NamedTuple):
    """What was built from one snapshot.

    Attributes:
        version: The version it belongs to; None where nobody may keep it.
        body: The body.
        items: Those that were built for it, if it is made of items.
    """

    version: int | None
    body: Body
    items: list[Item]


class Composer:
    """Makes bodies of items. Safe to share between threads."""

    def __init__(self, payloads: PayloadStore, memory: Memory) -> None:
        self._payloads = payloads
        self._memory = memory

    def look(self, resource: Resource, version: int, fingerprint: str, claim_seconds: float = 0.0) -> Look:
        """Look at Redis for what `from_redis` needs; see `PayloadStore.look`.

        Who has an earlier body of the resource asks for the parts that it lacks: a second round trip takes less time
        than to receive the rest. Who has none gets a short body at once.
        """
        has_earlier = self._memory.composition(resource, fingerprint) is not None
        most_bytes = 1 if has_earlier else WHOLE_BYTES
        return self._payloads.look(
            resource, version, fingerprint, has_index=True, most_bytes=most_bytes, claim_seconds=claim_seconds
        )

    def from_redis(self, look: Look, kind: ResourceKind) -> Composition | None:
        """Return the body of a version by its index in Redis, or None. What this process has is not fetched again.

        Raises:
            CacheUnavailable: Redis is unusable.
            DamagedPayload: what is there is damaged, or of another fingerprint.
        """
        items = self._payloads.items(look)
        if items is None:
            return None
        earlier = self._earlier(look.resource, look.fingerprint, kind)
        missing: list[_Placed] = []
        start = 1
        for item in items:
            if earlier.item(item.identifier, item.version) != item:
                missing.append(_Placed(item, start))
            start += item.length + 1
        bodies = self._parts(look, missing)
        if bodies is None:  # the whole is too long to be stored; then its items are, one by one
            bodies = self._payloads.item_bodies(kind, [placed.item for placed in missing], look.fingerprint)
            if len(bodies) < len(missing):
                return None
        if any(item_of(item.identifier, item.version, bodies[item.identifier]) != item for item, _ in missing):
            raise DamagedPayload("an item is not what the index says it is")
        return earlier.followed_by(items, bodies)

    def from_snapshot(
        self, resource: Resource, fingerprint: str, source: ItemSource, say: Callable[[str], None]
    ) -> Build:
        """Return the body of what the present snapshot shows (Note [Items of one snapshot]).

        Args:
            resource: Whose body.
            fingerprint: Its shape, and that of its items.
            source: What it is made of.
            say: Is told how far this is, before it goes on.
        """
        kind = source.kind
        committed, versions = versions_of_items(resource, kind, source.identifiers)
        draft = _Draft(
            self._earlier(resource, fingerprint, kind),
            {one: NO_VERSION if version is None else version for one, version in versions.items()},
        )
        draft.add(self._singly_held(kind, draft.missing, fingerprint))
        missing = draft.missing
        done = 0
        try:
            for some in _batches(list(missing)):
                if done:
                    say(f"{done} of {len(missing)}")
                    build_goes_on.send(Composer)
                draft.add(source.bodies(some))
                done += len(some)
        except DatabaseFailure:  # whoever tries again need not begin again
            self._memory.put(resource, NO_VERSION, fingerprint, draft.composition())
            raise
        composition = draft.composition()
        # A TRUNCATE takes away even from snapshots that are older than itself.
        version = None if draft.missing else committed
        return Build(version, composition, [item for item in composition.items if item.identifier in missing])

    def _earlier(self, resource: Resource, fingerprint: str, kind: ResourceKind) -> Composition:
        return self._memory.composition(resource, fingerprint) or Composition(kind, (), ())

    def _singly_held(self, kind: ResourceKind, versions: Mapping[str, int], fingerprint: str) -> dict[str, bytes]:
        """Return the items that this process has because they were read themselves."""
        held = {one: self._memory.get(kind(one), version, fingerprint) for one, version in versions.items()}
        return {one: body for one, body in held.items() if isinstance(body, bytes)}

    def _parts(self, look: Look, missing: Sequence["_Placed"]) -> dict[str, bytes] | None:
        """Return those items out of the stored body, by identifier; None where it is not stored."""
        bodies: dict[str, bytes] = {}
        runs = list(_runs(missing))
        spans = [(run[0].start, run[-1].end) for run in runs]
        for run, part in zip(runs, self._payloads.parts(look, spans), strict=True):
            if part is None:
                return None
            first = run[0].start
            bodies |= {item.identifier: part[start - first : start - first + item.length] for item, start in run}
        return bodies


class _Placed(NamedTuple):
    """An item, and where its body begins in that of the list."""

    item: Item
    start: int

    @property
    def end(self) -> int:
        return self.start + self.item.length


class _Draft:
    """A composition in the making: the versions of its items, in their order, and the items that are there."""

    def __init__(self, earlier: Composition, versions: Mapping[str, int]) -> None:
        self._earlier = earlier
        self._versions = versions
        self._items = {one: item for one, version in versions.items() if (item := earlier.item(one, version))}
        self._bodies: dict[str, bytes] = {}

    @property
    def missing(self) -> dict[str, int]:
        """The versions of the items that are not there."""
        return {one: version for one, version in self._versions.items() if one not in self._items}

    def add(self, bodies: Mapping[str, bytes]) -> None:
        """Take bodies of the right versions."""
        self._bodies |= bodies
        self._items |= {one: item_of(one, self._versions[one], body) for one, body in bodies.items()}

    def composition(self) -> Composition:
        """Return the composition of what is there."""
        return self._earlier.followed_by(
            [self._items[one] for one in self._versions if one in self._items], self._bodies
        )


def _runs(missing: Sequence[_Placed]) -> Iterator[list[_Placed]]:
    """Yield neighbours together, as many as make a piece."""
    run: list[_Placed] = []
    for placed in missing:
        if run and (placed.start != run[-1].end + 1 or run[-1].end - run[0].start >= PIECE_BYTES):
            yield run
            run = []
        run.append(placed)
    if run:
        yield run


def _batches(identifiers: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(identifiers), ITEMS_A_STATEMENT):
        yield identifiers[start : start + ITEMS_A_STATEMENT]
