"""The protocol keeps its promise in every interleaving of a small world, and each of its rules is needed for that.

A rule's test takes the rule out and asserts that the promise is then found broken: so the model can see what the rule
is there for. `python -m tests.model -v` prints the schedules.
"""

import pytest

from tests.model.cases import (
    BROKEN,
    CASES,
    CLOCK_STEP_WITHIN_THE_LEASE,
    FELT,
    HEALTHY,
    IMPLEMENTED,
    Case,
)
from tests.model.checker import Result, explore
from tests.model.state import Property, Scenario

SOME_THOUSAND = 5_000


def named(value: object) -> str | None:
    """Name a test by what it checks."""
    if isinstance(value, Case):
        return f"{value.name}: {'|'.join(one.name for one in value.scenario.properties)}, {value.scenario.name}"
    return value.name if isinstance(value, Scenario) else None


def schedule_of(result: Result) -> str:
    return "\n".join(result.schedule)


@pytest.mark.parametrize("scenario", [*HEALTHY, *BROKEN], ids=named)
def test_the_protocol_keeps_its_promise(scenario: Scenario) -> None:
    result = explore(IMPLEMENTED, scenario)

    assert result.broken is None, schedule_of(result)
    assert result.states > SOME_THOUSAND


@pytest.mark.parametrize("case", CASES, ids=named)
def test_without_one_of_its_rules_the_promise_is_broken(case: Case) -> None:
    (property_,) = case.scenario.properties

    result = explore(case.protocol, case.scenario)

    assert result.broken is property_
    assert result.schedule


@pytest.mark.parametrize("case", FELT, ids=named)
def test_a_fault_can_be_felt(case: Case) -> None:
    (property_,) = case.scenario.properties

    assert explore(case.protocol, case.scenario).broken is property_


def test_a_clock_that_steps_back_lengthens_the_bound_by_the_step() -> None:
    assert explore(IMPLEMENTED, CLOCK_STEP_WITHIN_THE_LEASE).broken is Property.BOUNDED
