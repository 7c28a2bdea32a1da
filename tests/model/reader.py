"""The steps of a read, as in `engine.py`, `counter_pipeline.py`, `payload_loader.py` and `composer.py`.

A thread may pause before any of them for as long as it likes.

Three pauses are left out, since they could only make the promise easier to keep. Beginning a read is one step with its
first command, and answering it with its last. Looking for a body is one step with learning the version: a body that
turns up later says what a 304 would have said before, one that vanishes later might have expired before.
"""

from collections.abc import Callable, Iterator

from tests.model.bumps import bumped, lent, shown
from tests.model.state import (
    ABSENT,
    FOREVER,
    IDLE,
    At,
    Bodies,
    Counter,
    Fault,
    Property,
    Reader,
    Redis,
    Rules,
    State,
    Step,
    with_item,
)


def reader_steps(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Yield what the thread may do next."""
    at = state.readers[thread].at
    if (at is At.BEGIN and not state.trusts) or (at in BUMPS and state.refuses):
        yield _be_refused(rules, state, thread)
        return
    yield from STEPS[at](rules, state, thread)
    if Fault.UNREACHABLE in rules.scenario.faults and at in WITHOUT_REDIS:
        yield _lose_redis(rules, state, thread)


def begin(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Note what the answer may not be older than, and take the first step."""
    reader = Reader(At.GET_COUNTER, floor=(floor := _floor(rules, state))[0], because=floor[1])
    if rules.protocol.rows_before_version:
        reader = reader._replace(rows=state.database)
        yield _went(state, thread, reader, f"begins, reads the rows of {reader.rows}")
    elif rules.scenario.shares_questions:
        yield _went(state, thread, reader._replace(at=At.ASK), "begins, waits for its process to ask")
        yield from take_an_answer_under_way(rules, state, thread, reader)
    else:
        for step in get_counter(rules, _with(state, thread, reader), thread):
            yield _prefixed(step, "begins")
        if Fault.LAGGING in rules.scenario.faults and state.copy is not None:
            label = f"begins, GET counter of the replica: {state.copy.version}"
            yield from _look_for(rules, _with(state, thread, reader), thread, state.copy.version, label)


def take_an_answer_under_way(rules: Rules, state: State, thread: int, reader: Reader) -> Iterator[Step]:
    """Take what another reader of the process is being told, though that was asked for before."""
    for other, told in enumerate(state.readers):
        if rules.protocol.takes_answers_under_way and _share(rules, thread, other) and told.at is At.TOLD:
            late = reader._replace(at=At.TOLD, wanted=told.wanted)
            yield _went(state, thread, late, f"begins, takes the answer that reader {other} waits for")


def ask_for_all(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """GET counter, for all readers of the process who wait; the answer is on its way when Redis has executed it."""
    version = ABSENT if state.redis.counter is None else state.redis.counter.version
    readers = tuple(
        each._replace(at=At.TOLD, wanted=version) if each.at is At.ASK and _share(rules, thread, other) else each
        for other, each in enumerate(state.readers)
    )
    label = f"reader {thread}: GET counter for all who wait: {shown(state.redis)}"
    yield Step(label, state._replace(readers=readers))


def be_told(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Take the answer to the shared question: believe it, or ask PostgreSQL."""
    reader = state.readers[thread]
    if reader.wanted == ABSENT:
        yield _went(state, thread, reader._replace(at=At.TIME, wanted=0), "is told that there is no counter")
    else:
        yield from _look_for(rules, state, thread, reader.wanted, f"is told {reader.wanted}")


def get_counter(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """GET counter: believe it, or ask PostgreSQL."""
    redis = state.redis
    if redis.counter is None and not rules.protocol.without_anchor:
        yield _went(state, thread, state.readers[thread]._replace(at=At.TIME), "GET counter: absent")
        return
    if redis.counter is None:
        redis = redis._replace(counter=Counter(0, FOREVER))
        label = "GET counter: absent, SETNX counter 0"
    else:
        label = f"GET counter: {redis.counter.version}"
        if rules.protocol.reads_extend_leases:
            redis = redis._replace(counter=redis.counter._replace(left=rules.scenario.lease))
    version = redis.counter.version if redis.counter else 0
    yield from _look_for(rules, state._replace(redis=redis), thread, version, label)


def ask_time(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """TIME, before the version is selected."""
    reader = state.readers[thread]._replace(at=At.SELECT, left=rules.scenario.lease)
    yield _went(state, thread, reader, "TIME")


def select_version(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """SELECT version."""
    reader = state.readers[thread]._replace(at=At.LEND, wanted=state.database)
    yield _went(state, thread, reader, f"SELECT version: {state.database}")


def lend(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """EVAL the bump, unless it is too late; the version that was selected is used, whatever comes of it."""
    reader = state.readers[thread]
    if rules.is_too_late(reader.left):
        yield _went(state, thread, reader._replace(at=At.TIME, wanted=0, left=0), "lends too late, is refused")
        return
    redis = lent(rules, state.redis, reader.wanted, reader.left)
    version = reader.wanted
    if rules.protocol.losers_follow and redis.counter is not None:
        version = redis.counter.version
    how = "SET NX" if rules.protocol.lends_if_absent else "EVAL bump"
    label = f"{how} counter {reader.wanted} (now {shown(redis)})"
    yield from _look_for(rules, state._replace(redis=redis), thread, version, label)


def look(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Find the version's body with the client (304), in the process's memory, in Redis; or miss it."""
    reader = state.readers[thread]
    memory = state.memories[rules.scenario.threads[thread]]
    if _is_known(rules, state, reader.wanted):
        yield _answer(rules, state, thread, reader.wanted, f"304 for {reader.wanted}")
    if memory[reader.wanted] != ABSENT:
        yield _answer(rules, state, thread, memory[reader.wanted], f"finds v{reader.wanted} in memory")
    elif state.redis.payloads[reader.wanted] != ABSENT:
        yield _take(rules, state, thread, reader.wanted)
    else:
        yield from miss(rules, state, thread)
        yield from join_a_flight(rules, state, thread)


def miss(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Go and build, or wait for another's build. Claims are not modelled: whoever misses may do either."""
    reader = state.readers[thread]
    if rules.protocol.rows_before_version:
        reader = reader._replace(at=At.STORE, seen=reader.wanted)
    elif rules.protocol.without_anchor:
        reader = reader._replace(at=At.ROWS, seen=reader.wanted)
    else:
        reader = reader._replace(at=At.SNAPSHOT)
    yield _went(state, thread, reader, f"misses v{reader.wanted}")
    if rules.scenario.waits:
        yield _went(state, thread, reader._replace(at=At.POLL), f"misses v{reader.wanted}, waits")


def join_a_flight(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Take over what another thread of the process has built for this version: a newer one, if it met one."""
    process = rules.scenario.threads[thread]
    if rules.scenario.threads.count(process) > 1:
        for version in range(state.readers[thread].wanted + 1, state.database + 1):
            if state.memories[process][version] != ABSENT:
                data = state.memories[process][version]
                yield _answer(rules, state, thread, data, f"waited for the build of v{version} in this process")


def poll_counter(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """GET counter again: the builder may have met a newer version."""
    reader, counter = state.readers[thread], state.redis.counter
    version = reader.wanted if counter is None else counter.version
    reader = reader._replace(at=At.POLL_AGAIN, seen=version)
    yield _went(state, thread, reader, f"polls, GET counter: {shown(state.redis)}")


def poll_payload(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Take what the builder has stored, or poll on, or build."""
    reader = state.readers[thread]
    if state.redis.payloads[reader.seen] != ABSENT:
        yield _take(rules, state, thread, reader.seen)
    else:
        yield from miss(rules, _with(state, thread, reader._replace(seen=0)), thread)


def take_snapshot(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Read the version and the rows in one snapshot."""
    reader, version = state.readers[thread], state.database
    if rules.protocol.without_snapshot:
        yield _went(state, thread, reader._replace(at=At.ROWS, seen=version), f"SELECT version: {version}")
    elif rules.protocol.pairs_after_snapshot:
        yield _went(state, thread, reader._replace(at=At.PAIRS, seen=version), f"SELECT version: {version}")
    elif rules.scenario.has_items:
        reader = reader._replace(at=At.COMPOSE, seen=version, rows=version)
        yield _went(state, thread, reader, f"snapshot: versions of the list and of its item, {version}")
    else:
        yield _went(state, thread, _built(rules, reader, version, version), f"snapshot: version and rows of {version}")


def read_rows(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Read the rows in a statement of their own."""
    reader = _built(rules, state.readers[thread], state.readers[thread].seen, state.database)
    yield _went(state, thread, reader, f"reads the rows of {state.database}")


def read_pairs(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Read the item's version in a snapshot of its own."""
    reader = state.readers[thread]._replace(at=At.COMPOSE, rows=state.database)
    yield _went(state, thread, reader, f"SELECT version of the item: {state.database}")


def compose(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Make the list of its item: the one that the process holds under its version, or the snapshot's row."""
    reader = state.readers[thread]
    data, state = _item(rules, state, rules.scenario.threads[thread], reader.rows)
    yield _went(state, thread, _built(rules, reader, reader.seen, data), f"takes item v{reader.rows}: {data}")


def publish_time(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """TIME, after the build has met a newer version."""
    reader = state.readers[thread]._replace(at=At.PUBLISH_SELECT, left=rules.scenario.lease)
    yield _went(state, thread, reader, "TIME")


def publish_select(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """SELECT version, as a writer does."""
    reader = state.readers[thread]._replace(at=At.PUBLISH_BUMP, wanted=state.database)
    yield _went(state, thread, reader, f"SELECT version: {state.database}")


def publish_bump(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """EVAL the bump, unless it is too late: then ask again."""
    reader = state.readers[thread]
    if rules.is_too_late(reader.left):
        again = reader._replace(at=At.PUBLISH_TIME, wanted=0, left=0)
        yield _went(state, thread, again, "bumps too late, is refused")
        return
    redis = bumped(rules, state.redis, reader.wanted, reader.left)
    done = reader._replace(at=At.STORE, wanted=0, left=0)
    yield _went(state, thread, done, f"EVAL bump {reader.wanted} (now {shown(redis)})", redis)


def store(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Store the body under the snapshot's version, here and in Redis, and answer.

    That a waiter whose patience is over builds without storing needs no step: a payload may expire at once.
    """
    reader = state.readers[thread]
    if rules.scenario.has_payloads:
        payloads = with_item(state.redis.payloads, reader.seen, reader.rows)
        state = state._replace(redis=state.redis._replace(payloads=payloads))
    yield _keep_and_answer(rules, state, thread, reader, f"stores v{reader.seen}")


def fall_back(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Redis is unusable: SELECT version."""
    reader = state.readers[thread]._replace(at=At.FALLBACK_LOOK, wanted=state.database, left=0)
    yield _went(state, thread, reader, f"SELECT version: {state.database}")


def look_in_memory(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Redis is unusable: find the body in memory, or miss it."""
    reader = state.readers[thread]
    data = state.memories[rules.scenario.threads[thread]][reader.wanted]
    if data != ABSENT:
        yield _answer(rules, state, thread, data, f"finds v{reader.wanted} in memory")
    else:
        yield _went(state, thread, reader._replace(at=At.FALLBACK_BUILD), f"misses v{reader.wanted}")


def build_without_redis(rules: Rules, state: State, thread: int) -> Iterator[Step]:
    """Redis is unusable: build, keep the body in memory, and answer."""
    reader = state.readers[thread]._replace(seen=state.database, rows=state.database)
    yield _keep_and_answer(rules, state, thread, reader, f"snapshot: version and rows of {reader.seen}")


STEPS: dict[At, Callable[[Rules, State, int], Iterator[Step]]] = {
    At.BEGIN: begin,
    At.ASK: ask_for_all,
    At.TOLD: be_told,
    At.GET_COUNTER: get_counter,
    At.TIME: ask_time,
    At.SELECT: select_version,
    At.LEND: lend,
    At.POLL: poll_counter,
    At.POLL_AGAIN: poll_payload,
    At.SNAPSHOT: take_snapshot,
    At.ROWS: read_rows,
    At.PAIRS: read_pairs,
    At.COMPOSE: compose,
    At.PUBLISH_TIME: publish_time,
    At.PUBLISH_SELECT: publish_select,
    At.PUBLISH_BUMP: publish_bump,
    At.STORE: store,
    At.FALLBACK_SELECT: fall_back,
    At.FALLBACK_LOOK: look_in_memory,
    At.FALLBACK_BUILD: build_without_redis,
}

WITHOUT_REDIS = {
    At.BEGIN: At.FALLBACK_SELECT,
    At.TIME: At.FALLBACK_SELECT,
    At.LEND: At.FALLBACK_SELECT,
    At.POLL: At.FALLBACK_BUILD,
    At.POLL_AGAIN: At.FALLBACK_BUILD,
    At.SNAPSHOT: At.FALLBACK_BUILD,
    At.PUBLISH_TIME: At.STORE,
    At.PUBLISH_BUMP: At.STORE,
}
"""Where a read goes on whose call to Redis has failed."""


BUMPS = {At.LEND, At.PUBLISH_BUMP}
"""Where a read bumps the counter."""


def _floor(rules: Rules, state: State) -> tuple[int, int]:
    """Return the oldest version that a read may be answered with that begins now, and the property that says so."""
    aged = sum(age >= rules.bound for age in state.ages) if Property.BOUNDED in rules.scenario.properties else 0
    floors = ((state.responded, Property.FRESH), (state.answered, Property.MONOTONIC), (aged, Property.BOUNDED))
    version, because = max(floors, key=lambda floor: floor[0])
    return (version, because) if version else (0, 0)


def _share(rules: Rules, thread: int, other: int) -> bool:
    """Tell whether two threads are of one process."""
    return rules.scenario.threads[thread] == rules.scenario.threads[other]


def _is_known(rules: Rules, state: State, version: int) -> bool:
    """Tell whether a client may hold that version, so that the counter alone can answer it."""
    if rules.protocol.without_anchor:
        return False
    return Property.MONOTONIC not in rules.scenario.properties or version <= max(state.answered, state.responded)


def _look_for(rules: Rules, state: State, thread: int, version: int, label: str) -> Iterator[Step]:
    """Look for the body of the version that `label` tells to have been learnt."""
    reader = state.readers[thread]._replace(wanted=version, left=0)
    for step in look(rules, _with(state, thread, reader), thread):
        yield _prefixed(step, label)


def _prefixed(step: Step, first: str) -> Step:
    who, _, what = step.label.partition(": ")
    return step._replace(label=f"{who}: {first}; {what}")


def _built(rules: Rules, reader: Reader, version: int, rows: int) -> Reader:
    is_told = version > reader.wanted and not rules.protocol.without_bumping_newer
    return reader._replace(at=At.PUBLISH_TIME if is_told else At.STORE, wanted=0, seen=version, rows=rows, left=0)


def _item(rules: Rules, state: State, process: int, version: int, otherwise: int | None = None) -> tuple[int, State]:
    """Return the data of the item in a version, from the process or else from where it is fetched; and keep it."""
    held = state.items[process]
    data = held[version]
    if rules.protocol.items_of_any_version:
        data = max(held)
    if data == ABSENT:
        data = version if otherwise is None else otherwise
    items = list(state.items)
    items[process] = with_item(held, version, data)
    return data, state._replace(items=tuple(items))


def _take(rules: Rules, state: State, thread: int, version: int) -> Step:
    """Answer with Redis's payload, and keep it in memory; with items, with what of it the process does not hold."""
    data = state.redis.payloads[version]
    if rules.scenario.has_items:
        data, state = _item(rules, state, rules.scenario.threads[thread], version, otherwise=data)
    reader = state.readers[thread]._replace(seen=version, rows=data)
    return _keep_and_answer(rules, state, thread, reader, f"finds v{version} in Redis")


def _keep_and_answer(rules: Rules, state: State, thread: int, reader: Reader, what: str) -> Step:
    if rules.scenario.has_memory:
        process = rules.scenario.threads[thread]
        memories = list(state.memories)
        memories[process] = with_item(memories[process], reader.seen, reader.rows)
        state = state._replace(memories=tuple(memories))
    step = _answer(rules, state, thread, reader.rows, what)
    is_impure = reader.seen != reader.rows and Property.PURE in rules.scenario.properties
    return step._replace(broken=Property.PURE) if is_impure else step


def _answer(rules: Rules, state: State, thread: int, data: int, what: str) -> Step:
    reader = state.readers[thread]
    if Property.MONOTONIC in rules.scenario.properties:
        state = state._replace(answered=max(state.answered, data))
    broken = reader.because if data < reader.floor else 0
    label = f"reader {thread}: {what}, answers {data}"
    return Step(label, _with(state, thread, IDLE), broken)


def _lose_redis(rules: Rules, state: State, thread: int) -> Step:
    reader = state.readers[thread]
    if reader.at is At.BEGIN:
        version, because = _floor(rules, state)
        reader = reader._replace(floor=version, because=because)
    # The version that was wanted is forgotten: what is built is neither lent nor published.
    reader = reader._replace(at=WITHOUT_REDIS[reader.at], wanted=0, left=0)
    if reader.at is not At.STORE:
        reader = reader._replace(seen=0)
    return _went(state, thread, reader, "cannot reach Redis")


def _be_refused(rules: Rules, state: State, thread: int) -> Step:
    """Be refused a bump, or turned away since one was refused before."""
    step = _lose_redis(rules, state, thread)
    return step._replace(state=step.state._replace(trusts=False))


def _with(state: State, thread: int, reader: Reader, redis: Redis | None = None) -> State:
    readers = (*state.readers[:thread], reader, *state.readers[thread + 1 :])
    return state._replace(readers=readers) if redis is None else state._replace(readers=readers, redis=redis)


def _went(state: State, thread: int, reader: Reader, what: str, redis: Redis | None = None) -> Step:
    return Step(f"reader {thread}: {what}", _with(state, thread, reader, redis))


def bodies_after_rest(rules: Rules, state: State) -> Iterator[int]:
    """Yield what each process would answer if nobody did anything for X, and then it read alone."""
    counter = state.redis.counter
    if counter is not None and counter.left > rules.scenario.lease:
        version = counter.version
    else:
        version = 0 if rules.protocol.without_anchor else state.database
    for memory in state.memories:
        yield _first_present(memory, state.redis.payloads, version, otherwise=state.database)


def _first_present(memory: Bodies, payloads: Bodies, version: int, otherwise: int) -> int:
    if memory[version] != ABSENT:
        return memory[version]
    return payloads[version] if payloads[version] != ABSENT else otherwise
