"""The errors that Redis answers with, told apart: what is refused, and what that says about the server."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a server refuses with an error."""

    KEY = "this key"
    MEMORY = "what needs memory"
    SERVER = "everything that counts"  # counters that cannot be bumped there must not be believed


NO_TEXT = "WRONGTYPE"
"""The code of the answer to a GET of what is not a text: as if nothing were there, since a bump replaces it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an error means, for people, and how far it goes."""

    meaning: str
    scope: Scope


REFUSALS = {
    "READONLY": Refusal("it is a replica", Scope.SERVER),
    "MASTERDOWN": Refusal("it is a replica without its primary", Scope.SERVER),
    "NOREPLICAS": Refusal("it waits for its replicas", Scope.SERVER),
    "MISCONF": Refusal("it cannot save to its disk", Scope.SERVER),
    "LOADING": Refusal("it loads its data", Scope.SERVER),
    "BUSY": Refusal("it runs a script that does not end", Scope.SERVER),
    "CLUSTERDOWN": Refusal("its cluster is not whole", Scope.SERVER),
    "NOAUTH": Refusal("it wants a password", Scope.SERVER),
    "WRONGPASS": Refusal("it does not know the user or the password", Scope.SERVER),
    "NOPERM": Refusal("its access list forbids it", Scope.SERVER),
    "SENTINEL": Refusal("it is a Sentinel", Scope.SERVER),  # this code and the next one are ours
    "CLUSTER": Refusal("it is a node of a cluster", Scope.SERVER),
    "OOM": Refusal("its memory is full, and it evicts nothing", Scope.MEMORY),
    "MOVED": Refusal("another node of the cluster has the key", Scope.KEY),
    "ASK": Refusal("the key is moving to another node of the cluster", Scope.KEY),
    "TRYAGAIN": Refusal("the key is moving to another node of the cluster", Scope.KEY),
    NO_TEXT: Refusal("something else is under the key", Scope.KEY),
}
UNKNOWN = Refusal("it answers with an error", Scope.KEY)


def code_of(text: str) -> str:
    """Return the first word of an error, which says what kind it is."""
    return text.partition(" ")[0]


def refusal_of(code: str) -> Refusal:
    """Return what an error of this code means; one that is not in the table counts like a fault."""
    return REFUSALS.get(code, UNKNOWN)
