"""The kinds of resource that a project caches, and the grammar of their Redis keys. Nothing else spells a key."""

import re
from dataclasses import dataclass
from functools import cached_property

from versioned_cache import metrics

# ASCII, since the counters' keys are written to the wire by hand; the placeholder, if any, stands last.
_KEY = re.compile(r"(?P<beginning>[\w:.-]+)(?:\{(?P<placeholder>[a-z_][a-z0-9_]*)\})?", re.ASCII)


def parse_key(key: str) -> tuple[str, str | None]:
    """Split the key of a kind into its beginning and the name of its placeholder, None where it has none.

    Raises:
        ValueError: it is not a key.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"{key!r} is not a key: letters, digits, : . _ - and at most one {{placeholder}}, last.")
    return match["beginning"], match["placeholder"]


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that is cached as one body and goes out of date as one.

    Attributes:
        kind: What sort of thing it is.
        name: What its keys begin with, such as `procedures:run:{run_id}`; also its name in PostgreSQL.
    """

    kind: "ResourceKind"
    name: str

    @property
    def identifier(self) -> str:
        """Which one of its kind it is; empty where there is only one."""
        return self.name.removeprefix(self.kind.beginning)

    @property
    def counter_key(self) -> str:
        """The key that holds the leased copy of the current version."""
        return f"{self.name}:version"

    def payload_key(self, version: int) -> str:
        """The key that holds the body of `version`."""
        return f"{self.name}:v{version}"

    def index_key(self, version: int, fingerprint: str) -> str:
        """The key that tells which items the body of `version` is made of."""
        return f"{self.payload_key(version)}:items:{fingerprint}"

    def claim_key(self, version: int, fingerprint: str) -> str:
        """The key that tells that somebody is building the body of `version`."""
        return f"{self.payload_key(version)}:fill:{fingerprint}"


@dataclass(frozen=True, eq=False)
class ResourceKind:
    """A sort of resource, such as a run. Calling it with an identifier names one of them.

    Attributes:
        label: The value of the metrics' label `resource`.
        key: What its resources' keys begin with: `procedures:list` where there is only one of the kind,
            `procedures:run:{run_id}` where an identifier tells them apart.
    """

    label: str
    key: str

    def __post_init__(self) -> None:
        parse_key(self.key)

    def __call__(self, identifier: object = "") -> Resource:
        """Return the resource with this identifier, or the only one of the kind.

        Raises:
            ValueError: the identifier is missing, or the kind has none.
        """
        name = f"{self.beginning}{identifier}"
        if not self.includes(name):
            raise ValueError(f"{identifier!r} identifies no resource of {self.key}.")
        return Resource(self, name)

    @cached_property
    def beginning(self) -> str:
        """The key up to the identifier."""
        return parse_key(self.key)[0]

    @cached_property
    def has_identifiers(self) -> bool:
        """Whether there are many of the kind."""
        return self.beginning != self.key

    @property
    def example(self) -> str:
        """The name of some resource of the kind."""
        return f"{self.beginning}x" if self.has_identifiers else self.key

    @property
    def short_key(self) -> str:
        """What people may write in place of the key: the label, and the placeholder if there is one."""
        return f"{self.label}:{self.key.removeprefix(self.beginning)}" if self.has_identifiers else self.label

    def includes(self, name: str) -> bool:
        """Tell whether `name` is that of a resource of this kind."""
        if not self.has_identifiers:
            return name == self.key
        return name.startswith(self.beginning) and name != self.beginning


kinds: dict[str, ResourceKind] = {}
"""The registered kinds, by label."""


def register(kind: ResourceKind) -> ResourceKind:
    """Make a kind known to the metrics and to the operators' commands, and return it.

    Raises:
        ValueError: another kind has its label, or could have a resource of the same name.
    """
    for other in kinds.values():
        if other.label == kind.label or other.includes(kind.example) or kind.includes(other.example):
            raise ValueError(f"{kind} cannot be told from {other}.")
    kinds[kind.label] = kind
    metrics.declare(kind.label)
    return kind


def kind_of(name: str) -> ResourceKind | None:
    """Return the registered kind of the resource of a name, or None where there is none."""
    return next((kind for kind in kinds.values() if kind.includes(name)), None)


def resource_named(name: str) -> Resource:
    """Return the resource of a name, which may be written short: `run:ID` for `procedures:run:ID`, or `list`.

    Raises:
        ValueError: it is the name of no resource.
    """
    if kind := kind_of(name):
        return Resource(kind, name)
    label, _, identifier = name.partition(":")
    kind = kinds.get(label)
    if kind is None or kind.has_identifiers != bool(identifier) or name == f"{label}:":
        raise ValueError(f"{name!r} is not a resource: write {known_names()}.")
    return kind(identifier)


def known_names() -> str:
    """Return how people may write the names of resources in short; empty where nothing is cached."""
    *others, last = [kind.short_key for kind in kinds.values()] or [""]
    return f"{', '.join(others)} or {last}" if others else last


def probe_key(number: int | None = None) -> str:
    """Return a key that nothing is kept under, to try a write with, where the cached resources' keys are.

    Args:
        number: Decides the key's slot in a cluster.
    """
    beginning = next((kind.example for kind in kinds.values()), "versioned_cache")
    return f"{beginning}:probe" if number is None else f"{beginning}:probe:{{{number}}}"


def number_in(text: bytes | None) -> int | None:
    """Return the version that a counter's text is; None if there is no counter, or if the text is no version."""
    return int(text) or None if text is not None and text.isdigit() else None
