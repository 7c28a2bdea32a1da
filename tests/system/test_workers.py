"""Two workers behind one port add up their counts, never disagree, and are not reloaded."""

import signal
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.processes import eventually
from tests.system.demo import Demo

READS = 200


def test_hits_over_many_connections_are_counted_exactly(demo: Demo, procedure_key: str) -> None:
    path = f"/procedures/{procedure_key}"
    demo.read(path)
    before = demo.cache_counts()

    with ThreadPoolExecutor(8) as readers:
        statuses = list(readers.map(lambda _: demo.get(path).status_code, range(READS)))

    assert statuses == [200] * READS
    assert demo.cache_counts() - before == {"hits_total procedure": READS}


def test_every_worker_takes_part(demo: Demo) -> None:
    with ThreadPoolExecutor(8) as readers:
        list(readers.map(lambda _: demo.get("/procedures"), range(READS)))

    counting = {int(path.read_text()) for path in (demo.data_dir / "metrics").glob("slot_*.lock")}
    assert set(demo.pids["workers"]) <= counting


def test_a_change_is_seen_over_every_fresh_connection(demo: Demo, procedure_key: str) -> None:
    for _ in range(8):
        demo.read("/procedures")

    demo.put_procedure(procedure_key, title="Changed")

    lists = [demo.read("/procedures") for _ in range(20)]
    titles = {item["title"] for procedures in lists for item in procedures if item["key"] == procedure_key}
    assert titles == {"Changed"}


def test_a_commit_is_seen_over_every_fresh_connection(demo: Demo, run_id: str) -> None:
    for _ in range(8):
        demo.read(f"/runs/{run_id}")

    demo.commit(run_id, "measure")

    assert {demo.read(f"/runs/{run_id}")["last_seq"] for _ in range(20)} == {2}


def test_sighup_is_refused_and_the_workers_go_on(demo: Demo) -> None:
    server = psutil.Process(demo.pids["server"])
    workers = server.children()
    since = demo.count_events()

    server.send_signal(signal.SIGHUP)

    eventually(lambda: demo.events("reload_refused", since=since))
    assert server.children() == workers
    assert demo.get("/procedures").status_code == 200
