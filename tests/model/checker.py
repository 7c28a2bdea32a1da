"""Breadth-first search of every state that a protocol can reach, for the shortest schedule that breaks a property."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import permutations
from operator import itemgetter
from typing import Any

from tests.model.reader import bodies_after_rest, reader_steps
from tests.model.state import IDLE, Doing, Property, Protocol, Rules, Scenario, State, Step, first_state
from tests.model.surroundings import surrounding_steps
from tests.model.writer import writer_steps

Alike = tuple[Callable[[Any], tuple[Any, ...]], Callable[[Any], tuple[Any, ...]]]
"""A way to exchange threads, and one to exchange processes. (Each has an item too many, since one item is no tuple.)"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a search has found.

    Attributes:
        states: How many states it has reached.
        broken: The property that the schedule breaks; None where all hold.
        schedule: The shortest that breaks it, one step a line.
    """

    states: int
    broken: Property | None
    schedule: tuple[str, ...]


def explore(protocol: Protocol, scenario: Scenario) -> Result:
    """Search all that can happen, up to the first violation."""
    rules = Rules(protocol, scenario)
    alikes = _alikes(scenario)
    first = first_state(scenario)
    origins: dict[State, State | None] = {first: None}
    level = [first]
    while level:
        following = []
        for state in level:
            for step in all_steps(rules, state):
                reached = step.state if step.state in origins else _representative(alikes, step.state)
                is_new = reached not in origins
                broken = step.broken or (is_new and _broken_at_rest(rules, reached))
                if broken:
                    schedule = (*_schedule(rules, alikes, origins, state), step.label)
                    return Result(len(origins), Property(broken), schedule)
                if is_new:
                    origins[reached] = state
                    following.append(reached)
        level = following
    return Result(len(origins), None, ())


def all_steps(rules: Rules, state: State) -> Iterator[Step]:
    """Yield everything that may happen next."""
    for thread in range(len(state.readers)):
        yield from reader_steps(rules, state, thread)
    for index in range(len(state.writers)):
        yield from writer_steps(rules, state, index)
    yield from surrounding_steps(rules, state)


def _broken_at_rest(rules: Rules, state: State) -> int:
    if Property.HEALS not in rules.scenario.properties:
        return 0
    is_resting = all(reader == IDLE for reader in state.readers)
    if not is_resting or any(writer.doing is not Doing.NOTHING for writer in state.writers):
        return 0
    is_newest = all(data == state.database for data in bodies_after_rest(rules, state))
    return 0 if is_newest else Property.HEALS


def _alikes(scenario: Scenario) -> list[Alike]:
    """Return the ways to exchange threads, and processes with theirs, that change nothing but names."""
    homes = scenario.threads
    processes = range(max(homes) + 1)
    return [
        (itemgetter(*threads_then, 0), itemgetter(*processes_then, 0))
        for threads_then in permutations(range(len(homes)))
        for processes_then in permutations(processes)
        if [homes[then] for then in threads_then] == [processes_then[home] for home in homes]
    ]


def _representative(alikes: list[Alike], state: State) -> State:
    """Return the one state that stands for all that differ from it by names."""
    readers, memories, items = min(
        (threads(state.readers)[:-1], processes(state.memories)[:-1], processes(state.items)[:-1])
        for threads, processes in alikes
    )
    return state._replace(readers=readers, memories=memories, items=items)


def _schedule(rules: Rules, alikes: list[Alike], origins: dict[State, State | None], last: State) -> Iterator[str]:
    """Yield the steps from the first state to `last`, with the names that each reader had at the beginning."""
    path = [last]
    while (origin := origins[path[-1]]) is not None:
        path.append(origin)
    state = path.pop()
    while path:
        stop = path.pop()
        step = next(one for one in all_steps(rules, state) if _representative(alikes, one.state) == stop)
        yield step.label
        state = step.state
