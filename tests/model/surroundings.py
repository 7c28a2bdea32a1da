"""The clock, and what happens to Redis without anybody's doing."""

from collections.abc import Iterator

from tests.model.state import ABSENT, FOREVER, Counter, Doing, Fault, Property, Redis, Rules, State, Step, with_item


def surrounding_steps(rules: Rules, state: State) -> Iterator[Step]:
    """Yield what may happen next without a reader or a writer."""
    faults = rules.scenario.faults
    yield tick(rules, state)
    yield from expire_payloads(state)
    if rules.scenario.has_items:
        yield from read_items(state)
    if Fault.EVICTION in faults and state.redis.counter is not None:
        yield Step("Redis: evicts the counter", state._replace(redis=state.redis._replace(counter=None)))
    if Fault.FLUSH in faults:
        nothing = Redis(None, (ABSENT,) * len(state.redis.payloads))
        yield Step("Redis: FLUSHALL", state._replace(redis=nothing))
    if Fault.FAILOVER in faults:
        yield from fail_over(rules, state)
    if Fault.LAGGING in faults:
        yield from replicate(rules, state)
    if Fault.REFUSES in faults:
        yield from refuse(rules, state)
    if state.clock_steps:
        yield step_back(state)


def tick(rules: Rules, state: State) -> Step:
    """Let the clock tick: keys expire at their deadline."""
    is_timed = Property.BOUNDED in rules.scenario.properties
    return Step(
        "clock: ticks",
        state._replace(
            ages=tuple(min(age + 1, rules.bound) for age in state.ages) if is_timed else state.ages,
            redis=state.redis._replace(counter=_moved(state.redis.counter, -1)),
            copy=_moved(state.copy, -1),
            readers=tuple(one._replace(left=one.left - 1) if one.left else one for one in state.readers),
            writers=tuple(one._replace(left=one.left - 1) if one.left else one for one in state.writers),
        ),
    )


def expire_payloads(state: State) -> Iterator[Step]:
    """Let a payload expire; their lives are long, jittered and not in any relation to the lease."""
    for version, data in enumerate(state.redis.payloads):
        if data != ABSENT:
            payloads = with_item(state.redis.payloads, version, ABSENT)
            yield Step(f"Redis: v{version} expires", state._replace(redis=state.redis._replace(payloads=payloads)))


def read_items(state: State) -> Iterator[Step]:
    """Let somebody read the item itself in a process. One that makes room is like one that never had it."""
    for process, held in enumerate(state.items):
        items = list(state.items)
        items[process] = with_item(held, state.database, state.database)
        yield Step(f"process {process}: reads item v{state.database} itself", state._replace(items=tuple(items)))


def fail_over(rules: Rules, state: State) -> Iterator[Step]:
    """Copy the counter, or go back to the copy with the deadline it has.

    Payloads need no copy: they may expire at any time, and one that came back would say what a 304 says.
    """
    if state.copy is not None:
        yield Step("Redis: goes back to the copy", state._replace(redis=state.redis._replace(counter=state.copy)))
    yield from replicate(rules, state)


def refuse(rules: Rules, state: State) -> Iterator[Step]:
    """Begin to refuse bumps, or end; and let the process look, which trusts again when a write was taken.

    What it owes it bumps before that: the writer's own steps do it.
    """
    yield Step(f"Redis: {'takes' if state.refuses else 'refuses'} bumps", state._replace(refuses=not state.refuses))
    is_owed = any(writer.owes and writer.doing is not Doing.NOTHING for writer in state.writers)
    is_proved = not state.refuses and not is_owed
    if not state.trusts and (is_proved or rules.protocol.trusts_by_reads):
        yield Step("the process believes counters again", state._replace(trusts=True))


def replicate(rules: Rules, state: State) -> Iterator[Step]:
    """Copy the counter, with its deadline."""
    copy = state.redis.counter
    if copy is not None and rules.protocol.replicas_without_deadlines:
        copy = copy._replace(left=FOREVER)
    if copy is not None and copy != state.copy:
        yield Step("Redis: is copied", state._replace(copy=copy))


def step_back(state: State) -> Step:
    """Set Redis's clock back by a tick: every deadline that is not over is a tick further away."""
    return Step(
        "Redis: its clock steps back by a tick",
        state._replace(
            redis=state.redis._replace(counter=_moved(state.redis.counter, 1)),
            readers=tuple(one._replace(left=one.left + 1) if one.left else one for one in state.readers),
            writers=tuple(one._replace(left=one.left + 1) if one.left else one for one in state.writers),
            clock_steps=state.clock_steps - 1,
        ),
    )


def _moved(counter: Counter | None, ticks: int) -> Counter | None:
    if counter is None or counter.left == FOREVER:
        return counter
    left = counter.left + ticks
    return Counter(counter.version, left) if left else None
