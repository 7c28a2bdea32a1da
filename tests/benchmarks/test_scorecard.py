"""This service passes every scenario of the scorecard. Its peers are measured (`make scorecard`), not tested."""

from collections.abc import Iterator

import pytest

from benchmarks.scorecard.contestants import OURS
from benchmarks.scorecard.scenarios import SCENARIOS, Scenario
from benchmarks.scorecard.servers import prepare, running_servers
from benchmarks.scorecard.sightings import Sighting, Written, verdict_of, worst
from benchmarks.scorecard.stage import Stage, set_stage

LEASE_MS = 1000
PATIENCE_SECONDS = 5.0


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The processes of this service, on servers of their own."""
    with running_servers(tmp_path_factory.mktemp("scorecard")) as servers:
        token = prepare(servers)
        with set_stage(OURS, servers, token, lease_ms=LEASE_MS, patience=PATIENCE_SECONDS) as stage:
            yield stage


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_ours_is_fresh_and_under_a_fault_within_the_lease(ours: Stage, scenario: Scenario) -> None:
    sighting = scenario.play(ours)

    assert sighting.is_committed
    assert sighting.reads
    assert not sighting.errors
    assert sighting.is_within(LEASE_MS / 1000 if scenario.is_fault else 0), sighting


def sighting(stale_seconds: float = 0, ended: str = "acknowledged", took: float = 0, **others: bool) -> Sighting:
    """Return what was seen after a write: ten reads, of which those that came this soon after it were stale."""
    described = {"is_committed": True, "is_over": True} | others
    written = Written(at=0, ended=ended, seconds=took)
    stale = 3 if stale_seconds else 0
    return Sighting(written=written, reads=10, stale_reads=stale, stale_seconds=stale_seconds, errors=[], **described)


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (sighting(), "fresh"),
        (sighting(0.94), "0.9 s"),
        (sighting(4.98, is_over=False), "≥ 5 s"),
        (sighting(ended="killed"), "fresh"),
        (sighting(4.98, ended="RuntimeError: no", is_over=False), "≥ 5 s (write failed)"),
        (sighting(ended="RuntimeError: no", is_committed=False, took=5), "fresh (write refused after 5 s)"),
        (sighting(took=12.2), "fresh (write took 12 s)"),
    ],
)
def test_the_verdict_says_how_it_ended(seen: Sighting, verdict: str) -> None:
    assert verdict_of(seen) == verdict


def test_the_worst_is_the_one_that_was_stale_for_longest() -> None:
    assert worst([sighting(), sighting(2), sighting(1)]).stale_seconds == 2
