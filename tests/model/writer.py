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
    writer = state.writers[index]._replace(doing=Doing.TIME)
    yield Step(f"writer {index + 1}: COMMIT {index + 1}", _with(committed, index, writer))
    if Fault.BYPASS in rules.scenario.faults:
        yield Step(f"psql: COMMIT {index + 1}", _with(committed, index, Writer(Doing.NOTHING)))


def ask_time(rules: Rules, state: State, index: int) -> Iterator[Step]:
    """TIME, after COMMIT; without the anchor there is nothing to ask, and the counter counts."""
    if rules.protocol.without_anchor:
        label = f"writer {index + 1}: INCR counter, responds"
        yield Step(label, _responded(rules, state, index, incremented(state.redis)))
    else:
        writer = state.writers[index]._replace(doing=Doing.SELECT, left=rules.scenario.lease)
        yield Step(f"writer {index + 1}: TIME", _with(state, index, writer))


def select_version(state: State, index: int) -> Step:
    """SELECT version: this write's, or a later one's."""
    writer = state.writers[index]._replace(doing=Doing.BUMP, version=state.database)
    return Step(f"writer {index + 1}: SELECT version: {state.database}", _with(state, index, writer))


def bump_and_respond(rules: Rules, state: State, index: int) -> Step:
    """EVAL the bump, and send the response."""
    writer, name = state.writers[index], f"writer {index + 1}"
    again = writer._replace(doing=Doing.TIME, version=0, left=0)
    if not writer.is_led:
        return _meet_a_demoted_server(rules, state, index, again)
    if state.refuses:
        return _owe(rules, state, index, again)
    if rules.is_too_late(writer.left):
        return Step(f"{name}: bumps too late, is refused", _with(state, index, again))
    if rules.protocol.deletes_in_place_of_a_bump:
        return Step(
            f"{name}: DEL counter, responds", _responded(rules, state, index, state.redis._replace(counter=None))
        )
    redis = bumped(rules, state.redis, writer.version, writer.left)
    label = f"{name}: EVAL bump {writer.version} (now {shown(redis)}), {'is trusted' if writer.owes else 'responds'}"
    return Step(label, _responded(rules, state, index, redis)._replace(trusts=True))


def _meet_a_demoted_server(rules: Rules, state: State, index: int, again: Writer) -> Step:
    """Be refused by a server that was demoted; a new connection leads to the other one."""
    name = f"writer {index + 1}: bumps a demoted server, is refused"
    if rules.protocol.keeps_refused_connections:
        return Step(f"{name}, responds", _responded(rules, state, index, state.redis))
    return Step(f"{name}, connects anew", _with(state, index, again._replace(is_led=True)))


def _owe(rules: Rules, state: State, index: int, again: Writer) -> Step:
    """Be refused wherever it tries: respond, believe no counter from then on, and try again later."""
    state = _responded(rules, state, index, state.redis)._replace(trusts=False)
    if not rules.protocol.owes_nothing:
        state = _with(state, index, again._replace(owes=True))
    return Step(f"writer {index + 1}: EVAL bump is refused, responds; its process believes no counter", state)


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
