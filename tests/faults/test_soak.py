"""Whatever breaks, no acknowledged write is lost or done twice, and nobody gets an answer that was not announced.

`make soak` goes on for ten minutes, and watches the workers' memory too.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.faults.history.cluster import Cluster, running_cluster
from tests.faults.history.faults import FAULTS
from tests.faults.soak.answers import Answers
from tests.faults.soak.editor import Form
from tests.faults.soak.operators import Acknowledged, Operator, unlike_the_ledger
from tests.faults.soak.soak import EXECUTED, Report, soaked
from tests.faults.soak.workers import Memory

LEASE_MS = 1000
SECONDS = 20
SEED = 7
CHORES = {"start", "commit", "amend", "skip", "pause", "resume", "admin edit", "import", "export.json", "export.csv"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two nodes over one PostgreSQL and one Valkey."""
    with TemporaryDirectory(prefix="procedures-soak-") as folder, running_cluster(Path(folder), LEASE_MS) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def report(cluster: Cluster) -> Report:
    """What came of a short soak."""
    return soaked(cluster, LEASE_MS, seconds=SECONDS, seed=SEED, say=lambda _line: None)


def test_everybody_was_at_work(report: Report) -> None:
    assert {doing for doing in CHORES if not report.answers.counts[doing]} == set()
    assert sum(outcome.verdict.not_modified for outcome in report.outcomes) > 0
    assert report.mebibytes


def test_nothing_that_was_acknowledged_is_lost_or_done_twice_and_no_answer_surprises(report: Report) -> None:
    assert report.violations == []


@pytest.mark.usefixtures("report")
@pytest.mark.parametrize("keys", [["start", "never-recorded"], ["start"]])
def test_a_ledger_that_holds_less_or_more_than_was_acknowledged_is_found(cluster: Cluster, keys: list[str]) -> None:
    ((run_id,),) = cluster.sql("SELECT run_id FROM runs_runevent GROUP BY 1 ORDER BY count(*) DESC LIMIT 1")
    with httpx.Client() as client:
        operator = Operator("nobody", EXECUTED, client, Answers())
        operator.runs.append(Acknowledged(run_id, keys))

        assert len(unlike_the_ledger(cluster, [operator])) == 1


def test_workers_that_grow_after_the_third_minute_are_found() -> None:
    memory = Memory([])
    memory._minutes = {0: [1.0], 1: [2.0], 2: [10.0], 3: [12.0]}

    assert Report(growth=memory.growth()).violations
    assert not Report(growth=1.05).violations


def test_a_form_is_read_as_a_browser_reads_it() -> None:
    page = (
        '<form id="other"><input name="no" value="1"></form><form id="it"><input type="hidden" name="a" value="1">'
        '<textarea name="b">two</textarea><input type="submit" name="c" value="Save"></form>'
    )

    assert Form("it", page).fields == {"a": "1", "b": "two"}


def test_each_fault_has_its_turn_before_any_comes_again(report: Report) -> None:
    names = [outcome.fault.name for outcome in report.outcomes]

    assert len(set(names)) == min(len(names), len(FAULTS))
