"""The steps of a write, as in `engine.VersionedCache.invalidate`. A writer may pause before any of them."""

from collections.abc import Iterator

from tests.model.bumps import bumped, incremented, shown
from tests.model.state import Doing, Fault, Property, Redis, Rules, State, Step, Writer


def writer_steps(rules: Rules, state: State, index: int) -> Iterator[Step]:
    """Yield what the writer may do next; writers are numbered in the order of their commits."""
    doing = state.writers[index].doing
    if doing is Doing.COMMIT and state.database == index:
        yield from commit(rules, state, index)
    elif doing is Doing.TIME:
        yield from ask_time(rules, state, index)
    elif doing is Doing.SELECT:
        yield select_version(state, index)
    elif doing is Doing.BUMP:
        yield bump_and_respond(rules, state, index)
    if doing in (Doing.TIME, Doing.SELECT, Doing.BUMP):
        yield from give_up(rules, state, index)


def commit(rules: Rules, state: State, index: int) -> Iterator[Step]:
    """COMMIT: the data and their version become visible in one step."""
    committed = state._replace(database=index + 1, ages=(*state.ages, 0))
    yield Step(f"writer {index + 1}: COMMIT {index + 1}", _with(committed, index, Writer(Doing.TIME)))
    if Fault.BYPASS in rules.scenario.faults:
        yield Step(f"psql: COMMIT {index + 1}", _with(committed, index, Writer(Doing.NOTHING)))


def ask_time(rules: Rules, state: State, index: int) -> Iterator[Step]:
    """TIME, after COMMIT; without the anchor there is nothing to ask, and the counter counts."""
    if rules.protocol.without_anchor:
        label = f"writer {index + 1}: INCR counter, responds"
        yield Step(label, _responded(rules, state, index, incremented(state.redis)))
    else:
        yield Step(f"writer {index + 1}: TIME", _with(state, index, Writer(Doing.SELECT, left=rules.scenario.lease)))


def select_version(state: State, index: int) -> Step:
    """SELECT version: this write's, or a later one's."""
    writer = state.writers[index]._replace(doing=Doing.BUMP, version=state.database)
    return Step(f"writer {index + 1}: SELECT version: {state.database}", _with(state, index, writer))


def bump_and_respond(rules: Rules, state: State, index: int) -> Step:
    """EVAL the bump, and send the response."""
    writer, name = state.writers[index], f"writer {index + 1}"
    if rules.is_too_late(writer.left):
        return Step(f"{name}: bumps too late, is refused", _with(state, index, Writer(Doing.TIME)))
    redis = bumped(rules, state.redis, writer.version, writer.left)
    label = f"{name}: EVAL bump {writer.version} (now {shown(redis)}), responds"
    return Step(label, _responded(rules, state, index, redis))


def give_up(rules: Rules, state: State, index: int) -> Iterator[Step]:
    """Die before the bump, or lose it."""
    if Fault.CRASH in rules.scenario.faults:
        yield Step(f"writer {index + 1}: dies", _with(state, index, Writer(Doing.NOTHING)))
    if Fault.LOST_BUMP in rules.scenario.faults:
        label = f"writer {index + 1}: its bump is lost, responds"
        yield Step(label, _responded(rules, state, index, state.redis))


def _responded(rules: Rules, state: State, index: int, redis: Redis) -> State:
    newest = max(state.responded, index + 1) if Property.FRESH in rules.scenario.properties else 0
    return _with(state._replace(redis=redis, responded=newest), index, Writer(Doing.NOTHING))


def _with(state: State, index: int, writer: Writer) -> State:
    return state._replace(writers=(*state.writers[:index], writer, *state.writers[index + 1 :]))
