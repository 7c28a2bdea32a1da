"""What one revision of a procedure changes compared with another, member by member, for people to read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from procedures.definitions import Definition
from rest import exact_json

Member = Mapping[str, Any]

REVISION_MEMBERS = ("title", "description", "ordering")
PARTS_OF_STEP = {"slots": "slot", "checklist": "checklist item"}


class ChangeKind(StrEnum):
    """The kinds of change."""

    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        kind: What happened.
        subject: What it happened to: `title`, `step measure`, `step measure, slot mass: unit`.
        old: What it was; None if there was nothing.
        new: What it is; None if there is nothing.
    """

    kind: ChangeKind
    subject: str
    old: str | None
    new: str | None


def changes_between(old: Definition, new: Definition) -> list[Change]:
    """Return what `new` changes in the content of `old`: nothing if and only if their digests are equal.

    A step, a slot or a checklist item is identified by its key.
    """
    return [
        *(
            change
            for name in REVISION_MEMBERS
            for change in _changes_of_value(name, getattr(old, name), getattr(new, name))
        ),
        *_changes_of_list("step", old.steps, new.steps),
    ]


def _changes_of_list(what: str, old: Sequence[Member], new: Sequence[Member]) -> Iterator[Change]:
    before, after = {member["key"]: member for member in old}, {member["key"]: member for member in new}
    places_before, places_after = _places(before), _places(after)
    keys_before, keys_after = list(before), list(after)
    moved = _moved(places_before, places_after)
    for key, member in before.items():
        if key not in after:
            yield Change(ChangeKind.REMOVED, f"{what} {key}", _described(member, places_before[key]), None)
    for key, member in after.items():
        subject = f"{what} {key}"
        if key not in before:
            yield Change(ChangeKind.ADDED, subject, None, _described(member, places_after[key]))
            continue
        if key in moved:
            yield Change(
                ChangeKind.MOVED, subject, *_ways(places_before[key], places_after[key], keys_before, keys_after)
            )
        yield from _changes_of_member(subject, before[key], member)


def _changes_of_member(subject: str, old: Member, new: Member) -> Iterator[Change]:
    for name in dict.fromkeys([*old, *new]):
        if name in PARTS_OF_STEP:
            yield from _changes_of_list(f"{subject}, {PARTS_OF_STEP[name]}", old[name], new[name])
        else:
            yield from _changes_of_value(f"{subject}: {name}", old.get(name), new.get(name))


def _changes_of_value(subject: str, old: object, new: object) -> Iterator[Change]:
    # Compare them as they are written, as the digest does: 12.50 equals 12.5 in Python, but differs from it here.
    if exact_json.dumps(old, sort_keys=True) != exact_json.dumps(new, sort_keys=True):
        yield Change(ChangeKind.CHANGED, subject, _text(old), _text(new))


class _Chain(NamedTuple):
    """Keys whose order is the same before and after; the best of several is worth most.

    Attributes:
        worth: How many there are, and how many of them have the same number before and after.
        key: The last of them.
        rest: Those before it.
    """

    worth: tuple[int, int]
    key: str = ""
    rest: "_Chain | None" = None

    def keys(self) -> Iterator[str]:
        """Return the keys, the last one first."""
        chain = self
        while chain.rest is not None:
            yield chain.key
            chain = chain.rest


_EMPTY = _Chain((0, 0))


class _BestChains:
    """The best chain that ends at each place or before it, in logarithmic time (a Fenwick tree of maxima).

    Args:
        size: The last place.
    """

    def __init__(self, size: int) -> None:
        self._best = [_EMPTY] * (size + 1)

    def up_to(self, place: int) -> _Chain:
        """Return the best chain that ends at `place` or before it."""
        best = _EMPTY
        while place:
            best = max(best, self._best[place], key=_worth)
            place &= place - 1
        return best

    def add(self, place: int, chain: _Chain) -> None:
        """Let a chain end at `place`."""
        while place < len(self._best):
            self._best[place] = max(self._best[place], chain, key=_worth)
            place += place & -place


def _worth(chain: _Chain) -> tuple[int, int]:
    return chain.worth


def _moved(before: Mapping[str, int], after: Mapping[str, int]) -> set[str]:
    """Return the smallest set of keys whose moves explain the new order of the keys that stay.

    Of several smallest sets, it is the one that names the fewest keys whose number is the same before and after.

    Args:
        before: The places of the keys.
        after: The same, in their new order.
    """
    staying = [key for key in after if key in before]
    chains = _BestChains(len(before))
    for key in staying:
        place = before[key]
        rest = chains.up_to(place - 1)
        length, unchanged = rest.worth
        chains.add(place, _Chain((length + 1, unchanged + (place == after[key])), key, rest))
    return set(staying).difference(chains.up_to(len(before)).keys())


def _ways(old: int, new: int, before: Sequence[str], after: Sequence[str]) -> tuple[str, str]:
    """Return where a key was and where it is: by its number, or by its neighbour if the numbers are equal."""
    if old != new:
        return f"place {old}", f"place {new}"
    return _after(before, old), _after(after, new)


def _after(keys: Sequence[str], place: int) -> str:
    return f"after {keys[place - 2]}" if place > 1 else "first"


def _places(keys: Iterable[str]) -> dict[str, int]:
    return {key: place for place, key in enumerate(keys, start=1)}


def _described(member: Member, place: int) -> str:
    """Return the full text of something that was added or removed, one member per line."""
    lines = [("place", place), *((name, value) for name, value in _in_order(member) if name not in PARTS_OF_STEP)]
    lines += [
        (f"{PARTS_OF_STEP[name]} {part['key']}", {member: value for member, value in part.items() if member != "key"})
        for name in PARTS_OF_STEP
        for part in member.get(name, [])
    ]
    return "\n".join(f"{name}: {text}" for name, value in lines if name != "key" and (text := _text(value)) is not None)


def _in_order(member: Member) -> list[tuple[str, Any]]:
    """Return the members in a readable order, names first; PostgreSQL's jsonb orders them by the length of the name."""
    first = ("key", "value", "label", "title", "type", "required", "unit")
    return sorted(member.items(), key=lambda named: first.index(named[0]) if named[0] in first else len(first))


def _text(value: object) -> str | None:
    """Return a value as people read it; None for an empty one."""
    if value is None or value in ("", []):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_text(element) or "" for element in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {text}" for name, member in _in_order(value) if (text := _text(member)) is not None)
    return value if isinstance(value, str) else exact_json.dumps(value).decode()
