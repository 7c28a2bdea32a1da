"""What one revision of a procedure changes compared to another, member by member, for people to read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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
    moved = _moved(before, after)
    for key, member in before.items():
        if key not in after:
            yield Change(ChangeKind.REMOVED, f"{what} {key}", _described(member, places_before[key]), None)
    for key, member in after.items():
        subject = f"{what} {key}"
        if key not in before:
            yield Change(ChangeKind.ADDED, subject, None, _described(member, places_after[key]))
            continue
        if key in moved:
            yield Change(ChangeKind.MOVED, subject, *_ways(key, list(before), list(after)))
        yield from _changes_of_member(subject, before[key], member)


def _changes_of_member(subject: str, old: Member, new: Member) -> Iterator[Change]:
    for name in dict.fromkeys([*old, *new]):
        if name in PARTS_OF_STEP:
            yield from _changes_of_list(f"{subject}, {PARTS_OF_STEP[name]}", old[name], new[name])
        else:
            yield from _changes_of_value(f"{subject}: {name}", old.get(name), new.get(name))


def _changes_of_value(subject: str, old: object, new: object) -> Iterator[Change]:
    # Compare them as they are written, like the digest does: 12.50 equals 12.5 in Python, but differs from it here.
    if exact_json.dumps(old, sort_keys=True) != exact_json.dumps(new, sort_keys=True):
        yield Change(ChangeKind.CHANGED, subject, _text(old), _text(new))


def _moved(before: Iterable[str], after: Iterable[str]) -> set[str]:
    """Return the smallest set of keys whose moves explain the new order of the keys that stay.

    Of several smallest ones, it is the one that leaves most keys with the same number alone.
    """
    places, places_after = _places(before), _places(after)
    staying = [key for key in after if key in places]

    def worth(chain: list[str]) -> tuple[int, int]:
        return len(chain), sum(places[key] == places_after[key] for key in chain)

    chains: list[list[str]] = [[]]  # for each key, the best chain that ends with it and keeps the old order
    for key in staying:
        fitting = [chain for chain in chains if not chain or places[chain[-1]] < places[key]]
        best: list[str] = max(fitting, key=worth)
        chains.append([*best, key])
    unmoved: list[str] = max(chains, key=worth)
    return set(staying).difference(unmoved)


def _ways(key: str, before: list[str], after: list[str]) -> tuple[str, str]:
    """Return where a key was and where it is: by its number, or by its neighbour if the numbers are equal."""
    old, new = before.index(key), after.index(key)
    if old != new:
        return f"place {old + 1}", f"place {new + 1}"
    return _after(before, old), _after(after, new)


def _after(keys: list[str], index: int) -> str:
    return f"after {keys[index - 1]}" if index else "first"


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
