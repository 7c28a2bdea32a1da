"""What /metrics says is what docs/operations.md explains, with every child from the start; promtool is content."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests import PROJECT_DIR
from tests.processes import eventually
from tests.samples import Samples
from tests.system.demo import Demo, running_demo

PROMTOOL = shutil.which("promtool")
ROW = re.compile(r"^\| `((?:backend|django)_\w+)` \| ([\w, ]*) \|", re.MULTILINE)
NOT_BEFORE_THE_FIRST_CHECK = {"backend_ledger_faulty_runs"}
# Its children are PostgreSQL's errors, of which there are hundreds.
NOT_BEFORE_THE_FIRST_ERROR = {"django_db_errors_total"}
# django-prometheus gives the counter of answers this name; it is in dashboards everywhere.
FOREIGN = "django_http_responses_total_by_status_view_method_total"


@pytest.fixture(scope="module")
def fresh_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo that nobody has asked for anything yet."""
    with running_demo(tmp_path_factory.mktemp("metrics") / "data", "--no-sample-data") as demo:
        yield demo


@pytest.fixture(scope="module")
def exported(fresh_demo: Demo) -> str:
    """What it says once each worker has measured itself."""
    client = fresh_demo.client(None)

    def measured() -> str:
        text = client.get("/metrics").text
        is_whole = Samples(text).total("backend_workers") == len(fresh_demo.services["pids"]["workers"])
        return text if is_whole and "backend_runs_unfinished{" in text else ""

    return eventually(measured)


@pytest.fixture(scope="module")
def explained() -> dict[str, set[str]]:
    """The labels of each series that the documentation explains."""
    text = (PROJECT_DIR / "docs" / "operations.md").read_text(encoding="utf-8")
    return {name: {label for label in re.split(r", ?", labels) if label} for name, labels in ROW.findall(text)}


def test_every_series_is_explained_and_every_explained_series_is_there(
    exported: str, explained: dict[str, set[str]]
) -> None:
    shown = set(re.findall(r"^# TYPE (\w+) ", exported, re.MULTILINE))

    assert shown | NOT_BEFORE_THE_FIRST_ERROR == set(explained)


def test_the_labels_are_those_that_are_explained(exported: str, explained: dict[str, set[str]]) -> None:
    labels: dict[str, set[str]] = {}
    for name, inside in re.findall(r"^(\w+)(?:\{(.*)\})? ", exported, re.MULTILINE):
        family = next(
            known for known in explained if name in {known, *(known + end for end in ("_bucket", "_sum", "_count"))}
        )
        labels.setdefault(family, set()).update(set(re.findall(r'(\w+)="', inside)) - {"le"})

    assert labels == {name: explained[name] for name in labels}


def test_every_child_exists_before_anything_has_happened(exported: str, explained: dict[str, set[str]]) -> None:
    sampled = set(re.findall(r"^(\w+?)(?:_bucket|_sum|_count)?(?:\{.*\})? ", exported, re.MULTILINE))

    assert set(explained) - sampled - NOT_BEFORE_THE_FIRST_ERROR == NOT_BEFORE_THE_FIRST_CHECK


def test_gauges_say_how_the_workers_are(exported: str) -> None:
    samples = Samples(exported)

    assert samples.total("backend_workers_resident_bytes") > 10_000_000
    assert samples.total("backend_workers_open_files") > 10
    assert samples.total("backend_django_threads") == 4 * samples.total("backend_workers")
    assert samples.total("backend_component_ok") == 2
    assert samples.total("backend_build_info") == 1


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_complain_about(exported: str) -> None:
    checked = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=exported, capture_output=True, text=True, check=False
    )

    complaints = [line for line in (checked.stdout + checked.stderr).splitlines() if not line.startswith(FOREIGN)]
    assert complaints == []


@pytest.mark.usefixtures("exported")  # which has to be read before anything has happened
def test_what_becomes_of_writes_is_counted(fresh_demo: Demo) -> None:
    def count(kind: str, outcome: str) -> float:
        return fresh_demo.samples().total("backend_run_writes_total", kind=kind, outcome=outcome)

    with fresh_demo.procedure() as key:
        run_id = fresh_demo.start_run(key)
        commit = f"/runs/{run_id}/steps/measure/commit"
        for _ in range(2):
            fresh_demo.client("operator").post(commit, json={}, headers={"Idempotency-Key": "once"})
        fresh_demo.client("operator").post(commit, json={})
        fresh_demo.commit(run_id, "incubate")

    assert [count("commit", outcome) for outcome in ("recorded", "replayed", "refused")] == [2, 1, 1]
    samples = fresh_demo.samples()
    assert samples.total("backend_runs_ended_total", status="completed") == 1
    assert samples.total("backend_run_duration_seconds_count", status="completed") == 1
    assert samples.total("backend_run_step_duration_seconds_count") == 2
    assert samples.total("backend_run_writes_total", kind="start", outcome="recorded") == 1
