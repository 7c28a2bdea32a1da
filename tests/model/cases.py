"""The protocols and scenarios that are checked, and what each rule of the protocol is there for."""

from dataclasses import dataclass, replace

from tests.model.state import Fault, Property, Protocol, Scenario

IMPLEMENTED = Protocol()

KEEPS_BODIES = frozenset({Property.PURE, Property.HEALS})
FAULT_FREE = KEEPS_BODIES | {Property.FRESH, Property.MONOTONIC}
DEGRADED = KEEPS_BODIES | {Property.BOUNDED}
ONLY_BOUNDED = frozenset({Property.BOUNDED})

NO_BUMP = frozenset({Fault.CRASH, Fault.LOST_BUMP, Fault.BYPASS})
EMPTIED = frozenset({Fault.EVICTION, Fault.FLUSH})
FAILOVER = frozenset({Fault.FAILOVER})
UNREACHABLE = frozenset({Fault.UNREACHABLE})
REFUSES = frozenset({Fault.REFUSES})
CLOCK_STEP = frozenset({Fault.CLOCK_STEP})

TWO_PROCESSES = Scenario("no fault, two processes", FAULT_FREE)
TWO_THREADS = Scenario("no fault, two threads of a process, waiters", FAULT_FREE, threads=(0, 0), waits=True)
SHARED_QUESTIONS = Scenario(
    "no fault, two reads of a process that share questions", FAULT_FREE, threads=(0, 0), shares_questions=True
)
ITEMS = Scenario("no fault, a list of items", FAULT_FREE, has_items=True, has_memory=False)
HEALTHY = (TWO_PROCESSES, TWO_THREADS, SHARED_QUESTIONS, ITEMS)

REFUSED = Scenario(
    "Redis refuses bumps now and then, one process",
    frozenset({Property.FRESH}),
    REFUSES,
    threads=(0, 0),
    has_memory=False,
    has_payloads=False,
)
DEMOTED = Scenario(
    "planned failover, the writer stays connected", FAULT_FREE, frozenset({Fault.DEMOTED}), has_memory=False
)
LAGGING = Scenario(
    "readers on a replica that lags",
    ONLY_BOUNDED,
    frozenset({Fault.LAGGING, Fault.LOST_BUMP}),
    has_memory=False,
    has_payloads=False,
)

BROKEN = (
    REFUSED,
    DEMOTED,
    LAGGING,
    Scenario("the bump never comes", DEGRADED, NO_BUMP, has_memory=False),
    Scenario("Redis is emptied", DEGRADED, EMPTIED, has_memory=False),
    Scenario("Redis goes back to an earlier copy", ONLY_BOUNDED, FAILOVER, has_memory=False, has_payloads=False),
    Scenario("calls to Redis fail", ONLY_BOUNDED, UNREACHABLE, has_memory=False, has_payloads=False),
    Scenario(
        "Redis's clock steps back by a tick, bound X + 1",
        ONLY_BOUNDED,
        CLOCK_STEP,
        has_memory=False,
        has_payloads=False,
        bound=3,
    ),
)

CLOCK_STEP_WITHIN_THE_LEASE = replace(BROKEN[-1], name="Redis's clock steps back by a tick, bound X", bound=None)

LARGE = (
    Scenario("large: two writes", FAULT_FREE, writes=2, has_memory=False),
    Scenario("large: lease of 4 ticks", FAULT_FREE, lease=4),
    Scenario("large: three threads", FAULT_FREE, threads=(0, 1, 2), has_memory=False, has_payloads=False),
    Scenario("large: waiters in two processes", FAULT_FREE, waits=True),
    Scenario("large: the bump never comes", DEGRADED, NO_BUMP),
    Scenario("large: a list of items, the bump never comes", DEGRADED, NO_BUMP, has_items=True, has_memory=False),
    Scenario("large: everything at once", ONLY_BOUNDED, NO_BUMP | EMPTIED | FAILOVER | UNREACHABLE, has_memory=False),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A rule that is taken out of a protocol, and the property that this must break."""

    name: str
    protocol: Protocol
    scenario: Scenario


def _case(switches: str, breaks: Property, scenario: Scenario) -> Case:
    protocol = replace(IMPLEMENTED, **dict.fromkeys(switches.split(), True))
    return Case(switches, protocol, replace(scenario, properties=frozenset({breaks})))


CRASH = Scenario("the writer dies", DEGRADED, frozenset({Fault.CRASH}), has_memory=False)
LONG_LEASE = Scenario("no fault, lease of 4 ticks", FAULT_FREE, lease=4, has_memory=False)
TWO_WRITES = Scenario("no fault, two writes", FAULT_FREE, writes=2, has_memory=False)
EVICTION = Scenario("Redis evicts the counter", DEGRADED, frozenset({Fault.EVICTION}), has_memory=False)

CASES = (
    _case("without_fence", Property.FRESH, TWO_PROCESSES),
    _case("without_fence", Property.BOUNDED, CRASH),
    _case("late_fence", Property.MONOTONIC, TWO_PROCESSES),
    _case("without_growing_expiry", Property.FRESH, LONG_LEASE),
    _case("late_fence without_growing_expiry", Property.FRESH, TWO_PROCESSES),
    _case("lends_if_absent", Property.MONOTONIC, TWO_PROCESSES),
    _case("lends_if_absent late_fence", Property.MONOTONIC, TWO_PROCESSES),
    _case("lends_if_absent late_fence losers_follow", Property.MONOTONIC, TWO_PROCESSES),
    _case("rows_before_version", Property.PURE, TWO_PROCESSES),
    _case("rows_before_version", Property.FRESH, TWO_PROCESSES),
    _case("rows_before_version", Property.HEALS, TWO_PROCESSES),
    _case("without_anchor", Property.HEALS, CRASH),
    _case("without_anchor", Property.FRESH, EVICTION),
    _case("without_anchor", Property.HEALS, EVICTION),
    _case("without_snapshot", Property.PURE, TWO_PROCESSES),
    _case("without_snapshot", Property.MONOTONIC, TWO_PROCESSES),
    _case("without_bumping_newer", Property.MONOTONIC, TWO_PROCESSES),
    _case("reads_extend_leases", Property.BOUNDED, CRASH),
    _case("bump_lowers", Property.FRESH, TWO_WRITES),
    _case("deletes_in_place_of_a_bump", Property.FRESH, TWO_PROCESSES),
    _case("keeps_refused_connections", Property.FRESH, DEMOTED),
    _case("trusts_by_reads", Property.FRESH, REFUSED),
    _case("owes_nothing", Property.FRESH, REFUSED),
    _case("replicas_without_deadlines", Property.BOUNDED, LAGGING),
    _case("takes_answers_under_way", Property.FRESH, SHARED_QUESTIONS),
    _case("takes_answers_under_way", Property.MONOTONIC, SHARED_QUESTIONS),
    _case("pairs_after_snapshot", Property.PURE, ITEMS),
    _case("pairs_after_snapshot", Property.MONOTONIC, ITEMS),
    _case("items_of_any_version", Property.PURE, ITEMS),
    _case("items_of_any_version", Property.FRESH, ITEMS),
    _case("items_of_any_version", Property.HEALS, ITEMS),
)
"""Each must be found broken."""


def _fault(fault: Fault, breaks: Property = Property.FRESH) -> Case:
    scenario = replace(TWO_PROCESSES, name=fault.value, properties=frozenset({breaks}), faults=frozenset({fault}))
    return Case("with a fault", IMPLEMENTED, scenario)


FELT = (
    _fault(Fault.LOST_BUMP),
    _fault(Fault.EVICTION),
    _fault(Fault.FLUSH),
    _fault(Fault.FAILOVER),
    _fault(Fault.UNREACHABLE, Property.MONOTONIC),
)
"""What each fault can delay, so that BOUNDED is not proved of faults that do nothing. (A write whose process dies, and
one past the service, have no response that FRESH could count from.)"""
