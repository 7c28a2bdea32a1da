"""What operators see: a real Prometheus reads the real service, with the files of `deploy`."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from procedures_project.embedded import HOST
from tests import PROJECT_DIR
from tests.beside import server_beside
from tests.clocks import LIBRARIES, clock_off_by
from tests.deploy.prometheus import FOLDER, PROMETHEUS, Prometheus, running_prometheus
from tests.faults.threads import Threads
from tests.processes import eventually, frozen_with_children, run_python, service_environment
from tests.system.demo import Demo, running_demo

pytestmark = pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed")

PLAYBOOKS = PROJECT_DIR / "docs" / "operations" / "playbooks.md"
DASHBOARDS = sorted((FOLDER.parent / "grafana" / "dashboards").glob("*.json"))
PLANT = """\
from procedures.caches import FINGERPRINT, procedure_resource
from versioned_cache.payload_store import PayloadStore
from versioned_cache.store import Store
from versioned_cache.versions import committed_version
store, resource = Store(), procedure_resource("{key}")
version = committed_version(resource) or 0
PayloadStore(store).store_payload(resource, version, FINGERPRINT, b"wrong")
store.bump({{resource: version}}, store.clock_ms(resource, bypass_breaker=True) + 60_000, bypass_breaker=True)
"""


def use(demo: Demo) -> None:
    """Do what people do: publish, read, run a procedure to its end, try what is refused, ask what fails."""
    with demo.procedure() as key:
        for _ in range(5):
            demo.read("/procedures")
            demo.read(f"/procedures/{key}")
        run_id = demo.start_run(key)
        for step in ("measure", "measure", "incubate"):
            demo.commit(run_id, step)
        demo.read(f"/runs/{run_id}")
        demo.get("/procedures/no-such-procedure")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The service, which has been used a little."""
    with running_demo(tmp_path_factory.mktemp("watched") / "data") as demo:
        for _ in range(3):
            use(demo)
        yield demo


@pytest.fixture(scope="module")
def prometheus(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It has read the service while that was used."""
    environment = command_environment(demo, tmp_path_factory.mktemp("command"))
    run_python("manage", "verify_ledger", environment=environment)
    run_python("manage", "audit_cache", environment=environment)
    folder = tmp_path_factory.mktemp("prometheus") / "files"
    with running_prometheus(folder, f"{HOST}:{demo.port}") as prometheus:
        for _ in range(3):
            use(demo)
        eventually(lambda: prometheus.query("rate(backend_run_writes_total{outcome='refused', kind='commit'}[1m]) > 0"))
        yield prometheus


@pytest.fixture(scope="module", autouse=True)
def fired_in_ordinary_use(prometheus: Prometheus, demo: Demo) -> set[str]:
    """The alerts that fired while people did what they do, before any of these tests broke something.

    Here alerts wait for nothing, so that what a busy machine shows once, they would have waited out.
    """
    looks = []
    for _ in range(10):
        use(demo)
        looks.append(prometheus.firing())
    return set.intersection(*looks[-5:])


def command_environment(demo: Demo, folder: Path) -> dict[str, str]:
    """Return what an operator's command needs to count where the server's workers do."""
    return service_environment(
        folder,
        DATABASE_URL=demo.services["database_url"],
        REDIS_URL=demo.services["redis_url"],
        INSECURE_HTTP="1",
        PROMETHEUS_MULTIPROC_DIR=str(demo.data_dir / "metrics"),
    )


def queries_of(dashboard: Path) -> list[tuple[str, str]]:
    """Return the title of each panel with each of its queries, as Grafana would send them."""
    panels = json.loads(dashboard.read_text(encoding="utf-8"))["panels"]
    return [
        (panel["title"], target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m"))
        for panel in panels
        for target in panel.get("targets", [])
    ]


def expressions() -> list[str]:
    """Return what every rule evaluates, recording or alerting."""
    files = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted((FOLDER / "rules").glob("*.yml"))]
    return [rule["expr"] for file in files for group in file["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_has_data(prometheus: Prometheus, dashboard: Path) -> None:
    queries = queries_of(dashboard)

    assert queries
    assert [(title, query) for title, query in queries if not prometheus.query(query)] == []


def test_prometheus_understands_every_rule(prometheus: Prometheus) -> None:
    for expression in expressions():
        prometheus.query(expression)


def test_what_playbooks_ask_prometheus_has_data(prometheus: Prometheus) -> None:
    queries = re.findall(r"```promql\n(.+?)```", PLAYBOOKS.read_text(encoding="utf-8"), re.DOTALL)

    assert queries
    assert [query for query in queries if not prometheus.query(query)] == []


def test_every_recording_rule_has_data(prometheus: Prometheus) -> None:
    recorded = yaml.safe_load((FOLDER / "rules" / "recording.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]

    assert [rule["record"] for rule in recorded if not prometheus.query(rule["record"])] == []


def test_nothing_fires_while_people_do_what_they_do(fired_in_ordinary_use: set[str]) -> None:
    assert fired_in_ordinary_use == set()


# Faults


def test_a_frozen_redis_is_seen(prometheus: Prometheus, demo: Demo) -> None:
    with demo.frozen(demo.pids["redis"]):
        for _ in range(3):
            demo.get("/procedures")
        prometheus.await_alert("RedisNotTrusted")
        prometheus.await_alert("RedisNotWell")
    eventually(lambda: not prometheus.firing() & {"RedisNotTrusted", "RedisNotWell"}, 60)


def test_refused_bumps_are_seen(prometheus: Prometheus, demo: Demo) -> None:
    demo.redis.config_set("min-replicas-to-write", 1)
    try:
        with demo.procedure():
            prometheus.await_alert("BumpsRefused")
            prometheus.await_alert("BumpsOwed")
    finally:
        demo.redis.config_set("min-replicas-to-write", 0)
    eventually(lambda: not prometheus.firing() & {"BumpsRefused", "BumpsOwed"}, 60)


def test_a_stale_body_is_seen(prometheus: Prometheus, demo: Demo, tmp_path: Path) -> None:
    environment = command_environment(demo, tmp_path)
    with demo.procedure() as key:
        run_python("manage", "shell", "-c", PLANT.format(key=key), environment=environment)
        with pytest.raises(RuntimeError, match="Stale bodies were found"):
            run_python("manage", "audit_cache", "--sample", "1000", environment=environment)

        prometheus.await_alert("StaleBodyFound")


def test_a_disk_that_is_full_of_logs_and_a_clock_that_is_off_are_seen(demo: Demo, tmp_path: Path) -> None:
    faults = {"LogLinesDropped"} | ({"ClockOff"} if LIBRARIES else set())
    clock: dict[str, Any] = clock_off_by(-15) if LIBRARIES else {}
    with (
        server_beside(demo, tmp_path, redirection="2>/dev/full", **clock) as server,
        running_prometheus(tmp_path / "prometheus", server.client.base_url.netloc.decode()) as prometheus,
    ):
        server.client.get("/procedures")
        for name in faults:
            prometheus.await_alert(name)


def test_a_frozen_postgresql_and_full_threads_are_seen(prometheus: Prometheus, demo: Demo) -> None:
    threads = Threads()
    with frozen_with_children(demo.pids["postgres"]):
        for _ in range(24):
            threads.start(demo.client("viewer").get, "/runs")
        for name in (
            "PostgreSQLNotWell",
            "ComponentSlow",
            "DjangoThreadsSaturated",
            "RequestsQueue",
            "RequestsRejected",
            "RequestsFailFast",
        ):
            prometheus.await_alert(name)
        threads.ending.set()
    threads.end()
