"""The grammar of every Redis key of this service. Nothing else spells a key."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of resource; also the values of the metrics' label `resource`."""

    LIST = "list"
    PROCEDURE = "procedure"
    RUN = "run"


@dataclass(frozen=True, slots=True)
class Resource:
    """Something that is cached as one body and goes out of date as one."""

    kind: Kind
    id: str = ""

    @property
    def name(self) -> str:
        """The beginning of the resource's keys, such as `procedures:run:{run_id}`; also its name in PostgreSQL."""
        return f"procedures:{self.kind}:{self.id}" if self.id else f"procedures:{self.kind}"

    @property
    def counter_key(self) -> str:
        """The key that holds the leased copy of the current version."""
        return f"{self.name}:version"

    def payload_key(self, version: int) -> str:
        """The key that holds the body of `version`."""
        return f"{self.name}:v{version}"

    def fill_key(self, version: int, fingerprint: str) -> str:
        """The key that tells that somebody is building the body of `version`."""
        return f"{self.payload_key(version)}:fill:{fingerprint}"


PROCEDURE_LIST = Resource(Kind.LIST)
NAMES = "procedures:list, procedures:procedure:KEY or procedures:run:ID"
"""How the names of resources look, for people."""


def resource_named(name: str) -> Resource:
    """Return the resource of a name.

    Raises:
        ValueError: it is no name of a resource.
    """
    prefix, _, rest = name.partition(":")
    kind, _, identifier = rest.partition(":")
    if prefix != "procedures" or kind not in set(Kind) or (kind == Kind.LIST) != (identifier == ""):
        raise ValueError(f"{name!r} is no resource: write {NAMES}.")
    return Resource(Kind(kind), identifier)


def procedure_resource(key: str) -> Resource:
    """Return the resource of one procedure."""
    return Resource(Kind.PROCEDURE, key)


def run_resource(run_id: object) -> Resource:
    """Return the resource of one run."""
    return Resource(Kind.RUN, str(run_id))
