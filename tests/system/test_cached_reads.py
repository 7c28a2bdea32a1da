"""Two reads of the same resource, as the client, Redis, the metrics and the log see them."""

import json

import pytest

from tests.system.demo import Demo
from versioned_cache.metrics import RedisOperation, Source

COUNTERS = ("hits", "misses", "store", "invalidations")
EVENT_FIELDS = {"resource", "key", "version", "source", "duration_ms", "request_id", "event", "level", "ts"}


@pytest.fixture(params=["list", "procedure", "run"])
def resource(request: pytest.FixtureRequest) -> str:
    """The kind of a cached resource."""
    return str(request.param)


@pytest.fixture
def path(resource: str, procedure_key: str, run_id: str) -> str:
    """The path of a resource that has changed since it was last read, or was never read."""
    return {"list": "/procedures", "procedure": f"/procedures/{procedure_key}", "run": f"/runs/{run_id}"}[resource]


@pytest.fixture
def name(resource: str, procedure_key: str, run_id: str) -> str:
    """The beginning of the resource's Redis keys."""
    ids = {"list": "", "procedure": f":{procedure_key}", "run": f":{run_id}"}
    return f"procedures:{resource}{ids[resource]}"


def test_the_first_read_is_a_miss_and_a_store(demo: Demo, resource: str, path: str) -> None:
    before = demo.cache_counts()

    demo.read(path)

    assert demo.cache_counts() - before == {f"misses_total {resource}": 1, f"store_total {resource}": 1}


def test_the_second_read_is_a_hit(demo: Demo, resource: str, path: str) -> None:
    demo.read(path)
    before = demo.cache_counts()

    demo.read(path)

    assert demo.cache_counts() - before == {f"hits_total {resource}": 1}


def test_both_reads_return_the_same_bytes(demo: Demo, path: str) -> None:
    missed, hit = demo.get(path), demo.get(path)

    assert missed.status_code == hit.status_code == 200
    assert missed.content == hit.content


def test_the_miss_is_logged_with_the_request_id_of_its_answer(demo: Demo, resource: str, path: str, name: str) -> None:
    event = demo.events_of(demo.get(path))["procedure_cache_miss"]

    assert set(event) == EVENT_FIELDS
    assert (event["resource"], event["source"]) == (resource, "database")
    assert event["key"] == f"{name}:v{event['version']}"
    assert event["duration_ms"] > 0


def test_the_hit_is_logged_with_the_request_id_of_its_answer(demo: Demo, resource: str, path: str, name: str) -> None:
    missed, hit = demo.get(path), demo.get(path)

    event = demo.events_of(hit)["procedure_cache_hit"]

    assert set(event) == EVENT_FIELDS
    assert event["resource"] == resource
    assert event["source"] in {"memory", "redis"}
    assert event["key"] == f"{name}:v{event['version']}"
    assert event["version"] == demo.events_of(missed)["procedure_cache_miss"]["version"]
    assert event["duration_ms"] > 0


def test_no_two_requests_have_the_same_id(demo: Demo) -> None:
    responses = [demo.get("/procedures") for _ in range(10)]

    assert len({response.headers["X-Request-ID"] for response in responses}) == 10


def test_redis_holds_the_version_and_the_body_under_the_promised_keys(demo: Demo, path: str, name: str) -> None:
    answered = demo.get(path)

    version = demo.redis.get(f"{name}:version")
    assert isinstance(version, bytes)
    payload = demo.redis.get(f"{name}:v{version.decode()}")
    assert isinstance(payload, bytes)
    assert payload.rpartition(b"\n")[2] == answered.content  # a line about the payload may come first


def test_a_payload_expires_by_itself(demo: Demo, path: str, name: str) -> None:
    version = demo.events_of(demo.get(path))["procedure_cache_miss"]["version"]

    ttl_seconds = demo.redis.ttl(f"{name}:v{version}")

    assert isinstance(ttl_seconds, int)
    assert 200 < ttl_seconds <= 330


def test_every_key_in_redis_is_of_the_promised_grammar(demo: Demo, procedure_key: str, run_id: str) -> None:
    for path in ("/procedures", f"/procedures/{procedure_key}", f"/runs/{run_id}"):
        demo.read(path)

    names = {key.decode().split(":")[1] for key in demo.redis.scan_iter(count=1000)}

    assert all(key.startswith(b"procedures:") for key in demo.redis.scan_iter(count=1000))
    assert names == {"list", "procedure", "run"}


def test_a_hit_has_the_body_that_the_write_answered(demo: Demo, procedure_key: str) -> None:
    written = demo.put_procedure(procedure_key, title="Written")

    bodies = [demo.get(f"/procedures/{procedure_key}").content for _ in range(4)]

    assert bodies == [written.content] * 4


def test_a_run_that_does_not_exist_is_404_each_time(demo: Demo) -> None:
    before = demo.cache_counts()

    answers = [demo.get("/runs/00000000-0000-7000-8000-000000000000") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert not (demo.cache_counts() - before)["store_total run"]


def test_every_child_of_every_series_exists_from_the_start(demo: Demo) -> None:
    samples = demo.samples()
    resources = {("list",), ("procedure",), ("run",)}

    for counter in COUNTERS:
        assert samples.labels_of(f"backend_procedure_cache_{counter}_total") == resources
    assert samples.labels_of("backend_procedure_cache_errors_total") == {(operation,) for operation in RedisOperation}
    assert samples.labels_of("backend_procedure_cache_fetch_seconds_count") == {
        (resource, source) for (resource,) in resources for source in Source
    }


def test_no_series_of_the_cache_has_the_label_of_a_process(demo: Demo, procedure_key: str, run_id: str) -> None:
    demo.read(f"/procedures/{procedure_key}")
    demo.read(f"/runs/{run_id}")

    scrape = demo.client(None).get("/metrics").text

    assert "pid=" not in "".join(line for line in scrape.splitlines() if line.startswith("backend_"))
    assert procedure_key not in scrape
    assert run_id not in scrape


def test_fetch_seconds_counts_each_read_by_its_source(demo: Demo, resource: str, path: str) -> None:
    series = "backend_procedure_cache_fetch_seconds_count"
    before = demo.samples()

    for _ in range(5):
        demo.read(path)

    after = demo.samples()
    assert after.total(series, resource=resource, source="database") == 1 + before.total(
        series, resource=resource, source="database"
    )
    assert after.total(series, resource=resource) == 5 + before.total(series, resource=resource)


def test_the_service_is_ready_with_both_of_its_servers(demo: Demo) -> None:
    assert demo.client(None).get("/readyz").json() == {"status": "ok", "postgresql": "ok", "redis": "ok"}


@pytest.mark.parametrize("path", ["/procedures", "/runs"])
def test_without_a_token_a_client_learns_nothing(demo: Demo, path: str) -> None:
    answer = demo.client(None).get(path)

    assert answer.status_code == 401
    assert json.loads(answer.content)["type"] == "/problems/unauthenticated"
