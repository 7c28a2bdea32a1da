"""What the model remembers between two steps, and the switches that choose the protocol and its surroundings.

Instants are kept as distances from now (`left`: ticks until a deadline, `ages`: ticks since a commit), so the clock
needs no bound: two states that differ by the hour alone are one. A version is its data: version 2 is what the second
write made of version 1, so "older" is "smaller".
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NamedTuple

ABSENT = -1
"""A body that nobody holds."""

FOREVER = 1_000
"""The `left` of a key without a deadline."""

Bodies = tuple[int, ...]
"""By version: the data of the body that is held under it, or ABSENT."""


class Property(IntEnum):
    """What is checked; the first broken one names a violation."""

    PURE = 1
    """A body under version v is v's, in Redis and in every process."""
    FRESH = 2
    """A read that begins after the response to write k gets k or newer."""
    MONOTONIC = 3
    """A read that begins after another was answered with k gets k or newer."""
    BOUNDED = 4
    """A read that begins X or more after the commit of k gets k or newer, whatever has failed meanwhile."""
    HEALS = 5
    """Once everybody has rested for X, every process reads the newest."""


class Fault(StrEnum):
    """What the surroundings may do, at any instant and as often as they like."""

    CRASH = "the writer dies between COMMIT and the bump"
    LOST_BUMP = "the bump is lost, the response is sent"
    BYPASS = "psql writes past the service"
    EVICTION = "Redis evicts the counter"
    FLUSH = "FLUSHALL"
    FAILOVER = "Redis goes back to an earlier copy"
    UNREACHABLE = "a reader's call to Redis fails"
    REFUSES = "Redis answers reads and refuses bumps, for a while"
    DEMOTED = "the writer is still connected to a server that was demoted"
    LAGGING = "a reader is connected to a replica that lags"
    CLOCK_STEP = "Redis's clock steps back, once, by a tick"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The rules that can be switched; with every switch off it is the protocol as it is implemented."""

    # Taken out:
    without_fence: bool = False  # SET NX PX X: the lease counts from when it arrives, not from before the SELECT
    without_growing_expiry: bool = False  # a bump leaves the expiry of a counter that is there
    rows_before_version: bool = False  # the rows are read first, and stored under the version that is read then
    without_anchor: bool = False  # plain INCR; an absent counter starts again at a constant; nothing expires
    without_snapshot: bool = False  # a build reads the version and the rows in two statements
    without_bumping_newer: bool = False  # a build that met a newer version does not bump the counter
    reads_extend_leases: bool = False  # a GET gives the counter another X
    bump_lowers: bool = False  # a bump is a plain SET
    lends_if_absent: bool = False  # a reader's SET NX leaves a counter that came meanwhile as it is
    late_fence: bool = False  # refused is only what is older than X, not X/2
    replicas_without_deadlines: bool = False  # a replica believes what it has until it is told otherwise
    pairs_after_snapshot: bool = False  # with items: their versions are read later than the list's
    items_of_any_version: bool = False  # with items: whatever version of an item is held is taken
    # Put in:
    deletes_in_place_of_a_bump: bool = False  # a writer deletes the counter, which a full server allows
    keeps_refused_connections: bool = False  # a writer that a demoted server refuses gives up there
    trusts_by_reads: bool = False  # a process whose bump was refused believes counters again as soon as it reads one
    owes_nothing: bool = False  # a process whose bump was refused does not try it again
    takes_answers_under_way: bool = False  # with shared questions: whoever begins takes an answer asked for before
    losers_follow: bool = False  # with lends_if_absent: whose SET NX fails uses the counter that is there


@dataclass(frozen=True, slots=True)
class Scenario:
    """The size of the world, what may go wrong in it, and what must hold all the same.

    Attributes:
        threads: For each thread that reads, its process. A thread reads any number of times, one after another.
        has_memory: Whether processes hold bodies.
        has_payloads: Whether Redis does. A body that is found says what a 304 says; so where bodies are known to be
            pure, a world without them is smaller and not easier.
        waits: Whether a reader may wait for another's build and read the counter again.
        shares_questions: Whether the readers of a process wait for one GET, which is asked for all who wait.
        has_items: Whether the body is a list's that is made of items, which processes hold under their own versions.
            Each write changes the one item that matters, so its version is the list's.
        bound: After how many ticks BOUNDED takes effect, X if None.
    """

    name: str
    properties: frozenset[Property]
    faults: frozenset[Fault] = field(default_factory=frozenset)
    writes: int = 1
    threads: tuple[int, ...] = (0, 1)
    has_memory: bool = True
    has_payloads: bool = True
    lease: int = 2
    waits: bool = False
    shares_questions: bool = False
    has_items: bool = False
    bound: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """A protocol in a scenario: what every step needs to know."""

    protocol: Protocol
    scenario: Scenario

    def is_too_late(self, left: int) -> bool:
        """Tell whether Redis refuses to lend or bump what was selected for a lease with so much left."""
        if self.protocol.without_fence:
            return False
        return left <= (0 if self.protocol.late_fence else self.scenario.lease - self.scenario.lease // 2)

    @property
    def bound(self) -> int:
        """How many ticks after a commit nobody may read what was before it."""
        return self.scenario.lease if self.scenario.bound is None else self.scenario.bound


class Counter(NamedTuple):
    """Redis's copy of the version, until its deadline."""

    version: int
    left: int


class Redis(NamedTuple):
    """The keys of one resource."""

    counter: Counter | None
    payloads: Bodies


class At(StrEnum):
    """The step that a reader takes next."""

    BEGIN = "begin"
    ASK = "ask"
    TOLD = "told"
    GET_COUNTER = "get counter"
    TIME = "time"
    SELECT = "select"
    LEND = "lend"
    POLL = "poll"
    POLL_AGAIN = "poll again"
    SNAPSHOT = "snapshot"
    ROWS = "rows"
    PAIRS = "pairs"
    COMPOSE = "compose"
    PUBLISH_TIME = "publish: time"
    PUBLISH_SELECT = "publish: select"
    PUBLISH_BUMP = "publish: bump"
    STORE = "store"
    FALLBACK_SELECT = "fallback: select"
    FALLBACK_LOOK = "fallback: look"
    FALLBACK_BUILD = "fallback: build"


class Reader(NamedTuple):
    """A thread that reads, and what the read under way knows.

    Attributes:
        wanted: The version it looks for.
        seen: The version of what it has built; while it waits, the version it looks for at this poll.
        rows: The data it has built; before it composes, the version of the item that it needs.
        left: Ticks until the deadline of what it has selected.
        floor: The oldest version that it may be answered with.
        because: The property that says so.
    """

    at: At
    wanted: int = 0
    seen: int = 0
    rows: int = 0
    left: int = 0
    floor: int = 0
    because: int = 0


class Doing(StrEnum):
    """The step that a writer takes next."""

    COMMIT = "commit"
    TIME = "time"
    SELECT = "select"
    BUMP = "bump"
    NOTHING = "nothing"


class Writer(NamedTuple):
    """A write, and what its bump knows.

    Attributes:
        owes: Whether it has responded, though its bump was refused.
        is_led: Whether its connection leads to the server that takes bumps.
    """

    doing: Doing
    version: int = 0
    left: int = 0
    owes: bool = False
    is_led: bool = True


class State(NamedTuple):
    """One state of the world.

    Attributes:
        database: The newest committed version.
        ages: For each commit, the ticks since; they stop at the bound.
        copy: The counter that Redis may go back to.
        memories: The bodies that each process holds.
        items: The bodies of the item that each process holds, by the item's version.
        responded: The newest write whose response was sent.
        answered: The newest version that a read was answered with.
        clock_steps: How often Redis's clock may still step back.
        refuses: Whether Redis refuses bumps.
        trusts: Whether the process believes counters, in scenarios where Redis refuses bumps, which have one process.
    """

    database: int
    ages: tuple[int, ...]
    redis: Redis
    copy: Counter | None
    memories: tuple[Bodies, ...]
    items: tuple[Bodies, ...]
    readers: tuple[Reader, ...]
    writers: tuple[Writer, ...]
    responded: int
    answered: int
    clock_steps: int
    refuses: bool = False
    trusts: bool = True


class Step(NamedTuple):
    """Something that can happen next: who does what, the state after it, and what it breaks (0: nothing)."""

    label: str
    state: State
    broken: int = 0


IDLE = Reader(At.BEGIN)


def first_state(scenario: Scenario) -> State:
    """Return the world before anything has happened: version 0 is committed, every cache is empty."""
    nothing = (ABSENT,) * (scenario.writes + 1)
    return State(
        database=0,
        ages=(),
        redis=Redis(None, nothing),
        copy=None,
        memories=(nothing,) * (max(scenario.threads) + 1),
        items=(nothing,) * (max(scenario.threads) + 1),
        readers=(IDLE,) * len(scenario.threads),
        writers=(Writer(Doing.COMMIT, is_led=Fault.DEMOTED not in scenario.faults),) * scenario.writes,
        responded=0,
        answered=0,
        clock_steps=int(Fault.CLOCK_STEP in scenario.faults),
    )


def with_item(items: tuple[int, ...], index: int, item: int) -> tuple[int, ...]:
    """Return the tuple with one item replaced."""
    return (*items[:index], item, *items[index + 1 :])
