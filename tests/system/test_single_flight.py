"""Sixteen readers ask at once for a body that nobody has built: only one of them builds it, over four workers."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.system.demo import Demo, running_demo

READERS, WORKERS = 16, 4


@pytest.fixture(scope="module")
def shared_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo with four workers, whose Valkey gets killed in the end."""
    with running_demo(tmp_path_factory.mktemp("flight") / "data", "--workers", str(WORKERS)) as demo:
        yield demo


def read_at_once(demo: Demo) -> set[bytes]:
    """Read the list with all readers at the same moment; return the different bodies."""
    start = threading.Barrier(READERS)

    def read(_: int) -> bytes:
        start.wait(timeout=10)
        return demo.get("/procedures").raise_for_status().content

    with ThreadPoolExecutor(READERS) as threads:
        return set(threads.map(read, range(READERS)))


def change_something(demo: Demo) -> None:
    """Make the list's next version, which nobody has built."""
    with demo.procedure():
        pass


def test_one_build_over_four_workers_and_one_per_process_without_redis(demo: Demo) -> None:
    for _ in range(3):
        change_something(demo)
        before = demo.samples()
        bodies = read_at_once(demo)
        after = demo.samples()

        assert len(bodies) == 1
        for name, labels in (
            ("backend_procedure_cache_store_total", {"resource": "list"}),
            ("backend_procedure_cache_misses_total", {"resource": "list"}),
            ("backend_procedure_cache_fetch_seconds_count", {"resource": "list", "source": "database"}),
        ):
            assert after.total(name, **labels) - before.total(name, **labels) == 1

    demo.kill_valkey()
    change_something(demo)
    before = demo.samples()
    bodies = read_at_once(demo)
    after = demo.samples()

    builds = "backend_procedure_cache_misses_total"
    assert len(bodies) == 1
    assert 1 <= after.total(builds, resource="list") - before.total(builds, resource="list") <= WORKERS
