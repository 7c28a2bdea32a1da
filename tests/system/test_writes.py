"""Writes: which counters they bump, and which they leave alone."""

import pytest

from tests.answers import problem
from tests.factories import body, step
from tests.system.demo import Demo


@pytest.fixture
def other_run_id(demo: Demo, procedure_key: str, run_id: str) -> str:
    """The id of another run of the same procedure."""
    return demo.start_run(procedure_key)


@pytest.fixture
def counters(demo: Demo, procedure_key: str, run_id: str, other_run_id: str) -> dict[str, int]:
    """Every counter that exists right after everything was read."""
    paths = ["/procedures", f"/procedures/{procedure_key}", "/procedures/gibson-assembly"]
    for path in [*paths, f"/runs/{run_id}", f"/runs/{other_run_id}"]:
        demo.read(path)
    return demo.counters()


def both_counters(key: str) -> set[str]:
    """Return the counters of the list and of one procedure."""
    return {"procedures:list:version", f"procedures:procedure:{key}:version"}


def test_put_bumps_the_list_and_that_procedure(demo: Demo, counters: dict[str, int], procedure_key: str) -> None:
    response = demo.put_procedure(procedure_key, title="Changed")

    assert response.status_code == 200
    assert demo.bumped_since(counters) == both_counters(procedure_key)


def test_delete_bumps_the_list_and_that_procedure(demo: Demo, counters: dict[str, int], procedure_key: str) -> None:
    response = demo.delete_procedure(procedure_key)

    assert response.status_code == 200
    assert demo.bumped_since(counters) == both_counters(procedure_key)


def test_post_bumps_the_list_and_the_new_procedure(demo: Demo, counters: dict[str, int]) -> None:
    with demo.procedure() as new_key:
        assert demo.bumped_since(counters) == both_counters(new_key)


def test_commit_bumps_that_run_alone(demo: Demo, counters: dict[str, int], run_id: str) -> None:
    response = demo.commit(run_id, "measure")

    assert response.status_code == 201
    assert demo.bumped_since(counters) == {f"procedures:run:{run_id}:version"}


def test_starting_a_run_bumps_nothing_but_the_new_run(demo: Demo, counters: dict[str, int], procedure_key: str) -> None:
    new_run_id = demo.start_run(procedure_key)

    assert demo.bumped_since(counters) <= {f"procedures:run:{new_run_id}:version"}


@pytest.mark.usefixtures("counters")
def test_a_put_counts_two_invalidations(demo: Demo, procedure_key: str) -> None:
    before = demo.cache_counts()

    demo.put_procedure(procedure_key, title="Changed")

    assert demo.cache_counts() - before == {"invalidations_total list": 1, "invalidations_total procedure": 1}


@pytest.mark.usefixtures("counters")
def test_a_commit_counts_one_invalidation(demo: Demo, run_id: str) -> None:
    before = demo.cache_counts()

    demo.commit(run_id, "measure")

    assert demo.cache_counts() - before == {"invalidations_total run": 1}


@pytest.mark.usefixtures("counters")
def test_an_invalidation_is_logged_with_the_request_id_of_the_write(demo: Demo, run_id: str) -> None:
    event = demo.events_of(demo.commit(run_id, "measure"))["procedure_cache_invalidated"]

    assert event["resource"] == "run"
    assert event["key"] == f"procedures:run:{run_id}:version"
    assert event["version"] == demo.counters()[event["key"]]
    assert event["duration_ms"] > 0


def test_a_put_that_is_not_valid_changes_no_counter(demo: Demo, counters: dict[str, int], procedure_key: str) -> None:
    response = demo.put_procedure(procedure_key, steps=[step("twice"), step("twice")])

    assert problem(response) == (400, "validation-failed")
    assert demo.bumped_since(counters) == set()


def test_a_post_of_a_key_that_exists_changes_no_counter(
    demo: Demo, counters: dict[str, int], procedure_key: str
) -> None:
    response = demo.post_procedure(body(procedure_key))

    assert response.status_code == 409
    assert demo.bumped_since(counters) == set()


def test_a_put_of_the_same_content_changes_no_revision(demo: Demo, procedure_key: str) -> None:
    answers = [demo.put_procedure(procedure_key, title="Same") for _ in range(3)]

    assert [answer.json()["revision"] for answer in answers] == [2, 2, 2]


def test_a_commit_out_of_order_changes_no_counter(demo: Demo, counters: dict[str, int], run_id: str) -> None:
    response = demo.commit(run_id, "incubate")

    assert problem(response) == (409, "step-out-of-order")
    assert demo.bumped_since(counters) == set()


def test_a_commit_of_a_committed_step_changes_no_counter(demo: Demo, run_id: str) -> None:
    demo.commit(run_id, "measure")
    demo.read(f"/runs/{run_id}")
    counters = demo.counters()

    response = demo.commit(run_id, "measure")

    assert problem(response) == (409, "step-already-committed")
    assert demo.bumped_since(counters) == set()


def test_a_commit_that_is_not_valid_changes_no_counter(demo: Demo, counters: dict[str, int], run_id: str) -> None:
    response = demo.commit(run_id, "measure", values={"unknown": 1})

    assert problem(response) == (400, "validation-failed")
    assert demo.bumped_since(counters) == set()


def test_a_refused_commit_changes_no_run(demo: Demo, run_id: str) -> None:
    before = demo.read(f"/runs/{run_id}")

    demo.commit(run_id, "incubate")
    demo.commit(run_id, "measure", values={"unknown": 1})

    assert demo.read(f"/runs/{run_id}") == before


def test_a_deleted_procedure_leaves_the_list_and_stays_readable(demo: Demo, procedure_key: str) -> None:
    demo.read("/procedures")

    demo.delete_procedure(procedure_key)

    assert procedure_key not in {procedure["key"] for procedure in demo.read("/procedures")}
    assert demo.read(f"/procedures/{procedure_key}")["status"] == "archived"


def test_a_created_procedure_is_in_the_list_at_once(demo: Demo) -> None:
    demo.read("/procedures")

    with demo.procedure() as new_key:
        assert new_key in {procedure["key"] for procedure in demo.read("/procedures")}
