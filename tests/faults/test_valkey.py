"""Valkey dead, frozen or emptied: every request is answered, correctly and in time, and the cache comes back."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.faults.conftest import cache_is_used
from tests.processes import eventually
from tests.system.demo import LEASE_SECONDS, Demo

DEGRADED_SECONDS = 1.0  # in fact well under it
READS = 100


@pytest.fixture
def dead_valkey(demo: Demo, procedure_key: str, run_id: str) -> None:
    """Valkey is killed after everything was read; the next test that needs it starts it again."""
    for path in ("/procedures", f"/procedures/{procedure_key}", f"/runs/{run_id}"):
        demo.read(path)
    demo.kill_valkey()


@pytest.fixture
def frozen_valkey(demo: Demo, procedure_key: str, run_id: str) -> Iterator[None]:
    """Valkey is frozen after everything was read."""
    for path in ("/procedures", f"/procedures/{procedure_key}", f"/runs/{run_id}"):
        demo.read(path)
    with demo.frozen(demo.pids["redis"]):
        yield


def titles_of(demo: Demo, procedure_key: str, reads: int) -> set[str]:
    """Read the list and the procedure over fresh connections, and return every title that was seen."""
    lists = [demo.read("/procedures") for _ in range(reads)]
    listed = {item["title"] for procedures in lists for item in procedures if item["key"] == procedure_key}
    return listed | {demo.read(f"/procedures/{procedure_key}")["title"] for _ in range(reads)}


def was_in_time(response: httpx.Response) -> bool:
    """Tell whether an answer came as fast as it must without Redis."""
    return response.elapsed.total_seconds() < DEGRADED_SECONDS


# Dead


@pytest.mark.usefixtures("dead_valkey")
def test_without_valkey_a_put_is_answered_and_seen(demo: Demo, procedure_key: str) -> None:
    response = demo.put_procedure(procedure_key, title="Without Valkey")

    assert response.status_code == 200
    assert response.json()["title"] == "Without Valkey"
    assert titles_of(demo, procedure_key, reads=5) == {"Without Valkey"}


@pytest.mark.usefixtures("dead_valkey")
def test_without_valkey_a_commit_is_answered_and_seen(demo: Demo, run_id: str) -> None:
    response = demo.commit(run_id, "measure")

    assert response.status_code == 201
    assert [commit["step_key"] for commit in demo.read(f"/runs/{run_id}")["commits"]] == ["measure"]


@pytest.mark.usefixtures("dead_valkey")
def test_without_valkey_procedures_and_runs_can_be_created(demo: Demo) -> None:
    with demo.procedure() as key:
        run_id = demo.start_run(key)

        assert demo.read(f"/procedures/{key}")["revision"] == 1
        assert demo.read(f"/runs/{run_id}")["last_seq"] == 1
        assert key in {procedure["key"] for procedure in demo.read("/procedures")}


@pytest.mark.usefixtures("dead_valkey")
def test_without_valkey_every_request_is_in_time(demo: Demo, procedure_key: str, run_id: str) -> None:
    responses = [
        *(demo.get("/procedures") for _ in range(10)),
        demo.put_procedure(procedure_key, title="In time"),
        demo.commit(run_id, "measure"),
        demo.get(f"/runs/{run_id}"),
    ]

    assert all(was_in_time(response) for response in responses)


@pytest.mark.usefixtures("dead_valkey")
def test_without_valkey_the_service_is_degraded_but_ready(demo: Demo) -> None:
    degraded = {"status": "degraded", "postgresql": "ok", "redis": "down"}

    eventually(lambda: demo.client(None).get("/readyz").json() == degraded)

    assert demo.client(None).get("/readyz").status_code == 200


@pytest.mark.usefixtures("dead_valkey")
def test_without_valkey_reads_come_from_the_fallback(demo: Demo) -> None:
    before = demo.samples()

    responses = [demo.get("/procedures") for _ in range(5)]

    series = "backend_procedure_cache_fetch_seconds_count"
    reads = demo.samples().total(series, resource="list", source="fallback")
    assert reads - before.total(series, resource="list", source="fallback") == 5
    for response in responses:
        events = demo.events_of(response)
        event = events.get("procedure_cache_miss") or events["procedure_cache_hit"]
        assert (event["resource"], event["source"]) == ("list", "fallback")


@pytest.mark.usefixtures("dead_valkey")
def test_without_valkey_each_read_counts_once(demo: Demo) -> None:
    before = demo.cache_counts()

    for _ in range(5):
        demo.read("/procedures")

    counted = demo.cache_counts() - before
    assert counted["hits_total list"] + counted["misses_total list"] == 5
    assert counted["store_total list"] == 0
    assert counted["errors_total read"] > 0


@pytest.mark.usefixtures("dead_valkey")
def test_an_invalidation_that_failed_is_logged_and_counted(demo: Demo, procedure_key: str) -> None:
    since = demo.count_events()
    before = demo.cache_counts()

    response = demo.put_procedure(procedure_key, title="Not invalidated")

    counted = demo.cache_counts() - before
    demo.events_of(response)  # its last line is there, and so are those before it
    warnings = demo.events("procedure_cache_invalidation_failed", since)
    assert counted["errors_total invalidate"] > 0
    assert counted["invalidations_total list"] == counted["invalidations_total procedure"] == 0
    assert {warning["key"] for warning in warnings} == {
        "procedures:list:version",
        f"procedures:procedure:{procedure_key}:version",
    }
    assert {warning["level"] for warning in warnings} == {"warning"}
    assert {warning["request_id"] for warning in warnings} == {response.headers["X-Request-ID"]}


@pytest.mark.usefixtures("dead_valkey")
def test_the_warning_about_valkey_is_rate_limited_and_counts_the_reads(demo: Demo) -> None:
    since = demo.count_events()
    started = time.monotonic()
    for _ in range(READS):
        demo.read("/procedures")

    def all_are_reported() -> bool:
        demo.read("/procedures")
        reported: int = sum(warning["reads"] for warning in demo.events("procedure_cache_unavailable", since))
        return reported >= READS

    eventually(all_are_reported)
    seconds = time.monotonic() - started
    warnings = demo.events("procedure_cache_unavailable", since)

    # Each of two workers warns at once, then at most once a second.
    assert 1 <= len(warnings) <= 2 * (1 + seconds)
    assert {(warning["level"], warning["resource"]) for warning in warnings} == {("warning", "list")}


@pytest.mark.usefixtures("dead_valkey")
def test_the_demo_says_that_valkey_died_and_how_to_start_it(demo: Demo) -> None:
    eventually(lambda: "Valkey stopped: reads come from PostgreSQL" in demo.stderr)

    assert " ".join(demo.read_services()["commands"]["redis"]) in demo.stderr
    assert demo.process.poll() is None


@pytest.mark.usefixtures("dead_valkey")
def test_a_restarted_valkey_is_used_again_and_serves_what_was_written_meanwhile(
    demo: Demo, procedure_key: str, run_id: str
) -> None:
    demo.put_procedure(procedure_key, title="Written meanwhile")
    demo.commit(run_id, "measure")

    demo.start_valkey()
    eventually(lambda: cache_is_used(demo))

    assert titles_of(demo, procedure_key, reads=10) == {"Written meanwhile"}
    assert {demo.read(f"/runs/{run_id}")["last_seq"] for _ in range(10)} == {2}


@pytest.mark.usefixtures("dead_valkey")
def test_a_restarted_valkey_has_its_new_process_id_in_services(demo: Demo) -> None:
    demo.start_valkey()

    # Before it is noticed, they name an earlier one; which one depends on when that one's death was noticed.
    eventually(lambda: demo.redis.info("server")["process_id"] == demo.pids["redis"])


# Frozen


@pytest.mark.usefixtures("frozen_valkey")
def test_with_valkey_frozen_every_request_is_correct_and_in_time(demo: Demo, procedure_key: str, run_id: str) -> None:
    put = demo.put_procedure(procedure_key, title="Frozen")
    commit = demo.commit(run_id, "measure")
    lists = [demo.get("/procedures") for _ in range(10)]
    procedure = demo.get(f"/procedures/{procedure_key}")
    run = demo.get(f"/runs/{run_id}")

    assert [put.status_code, commit.status_code] == [200, 201]
    for response in lists:
        assert {item["title"] for item in response.json() if item["key"] == procedure_key} == {"Frozen"}
    assert procedure.json()["title"] == "Frozen"
    assert run.json()["last_seq"] == 2
    assert all(was_in_time(response) for response in [put, commit, *lists, procedure, run])


@pytest.mark.usefixtures("frozen_valkey")
def test_with_valkey_frozen_the_service_is_degraded_but_ready(demo: Demo) -> None:
    eventually(lambda: demo.client(None).get("/readyz").json()["status"] == "degraded")

    answer = demo.client(None).get("/readyz")

    assert answer.status_code == 200
    assert was_in_time(answer)


def test_a_thawed_valkey_is_used_again_and_fresh(demo: Demo, procedure_key: str, run_id: str) -> None:
    for path in ("/procedures", f"/procedures/{procedure_key}", f"/runs/{run_id}"):
        demo.read(path)
    old = demo.counters()
    with demo.frozen(demo.pids["redis"]):
        demo.put_procedure(procedure_key, title="Thawed")
        demo.commit(run_id, "measure")

    # Their bumps were lost: what Valkey had before may be believed until its lease ends.
    changed = ("procedures:list", f"procedures:procedure:{procedure_key}", f"procedures:run:{run_id}")
    outdated = {(f"{name}:version", old[f"{name}:version"]) for name in changed}
    eventually(lambda: not outdated & demo.counters().items(), LEASE_SECONDS + 1)
    eventually(lambda: cache_is_used(demo))

    assert titles_of(demo, procedure_key, reads=10) == {"Thawed"}
    assert {demo.read(f"/runs/{run_id}")["last_seq"] for _ in range(10)} == {2}


# Emptied


def test_a_flush_never_brings_an_old_payload_back(demo: Demo, procedure_key: str) -> None:
    for number in range(10):
        demo.read("/procedures")
        demo.put_procedure(procedure_key, title=f"Number {number}")
        demo.redis.flushall()

        assert titles_of(demo, procedure_key, reads=2) == {f"Number {number}"}


def test_a_flush_before_the_write_never_brings_an_old_payload_back(demo: Demo, procedure_key: str) -> None:
    for number in range(10):
        demo.read("/procedures")
        demo.redis.flushall()
        demo.put_procedure(procedure_key, title=f"Number {number}")

        assert titles_of(demo, procedure_key, reads=2) == {f"Number {number}"}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deleted_counter_never_brings_an_old_payload_back(demo: Demo, procedure_key: str, when: str) -> None:
    counter_keys = ("procedures:list:version", f"procedures:procedure:{procedure_key}:version")
    for number in range(10):
        titles_of(demo, procedure_key, reads=1)
        if when == "before":
            demo.redis.delete(*counter_keys)
        demo.put_procedure(procedure_key, title=f"Number {number}")
        if when == "after":
            demo.redis.delete(*counter_keys)

        assert titles_of(demo, procedure_key, reads=2) == {f"Number {number}"}


def test_a_deleted_counter_never_brings_an_old_run_back(demo: Demo, run_id: str) -> None:
    demo.read(f"/runs/{run_id}")

    demo.commit(run_id, "measure")
    demo.redis.delete(f"procedures:run:{run_id}:version")

    assert {demo.read(f"/runs/{run_id}")["last_seq"] for _ in range(4)} == {2}


def test_a_damaged_counter_is_not_an_error(demo: Demo, procedure_key: str) -> None:
    demo.read(f"/procedures/{procedure_key}")
    demo.redis.set(f"procedures:procedure:{procedure_key}:version", "damaged")

    try:
        assert demo.put_procedure(procedure_key, title="Undamaged").status_code == 200
        assert demo.read(f"/procedures/{procedure_key}")["title"] == "Undamaged"
    finally:
        demo.redis.flushall()
