"""Sixteen readers ask at once for a body that nobody has built: only one of them builds it, over four workers."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.system.demo import Demo, running_demo

READERS, WORKERS = 16, 4
MAX_PAYLOAD_BYTES = 256 * 1024  # more than the list has at first
LONG_TEXT = "x" * 60_000


@pytest.fixture(scope="module")
def shared_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo with four workers, whose Valkey gets killed in the end."""
    data_dir = tmp_path_factory.mktemp("flight") / "data"
    with running_demo(data_dir, "--workers", str(WORKERS), CACHE_MAX_PAYLOAD_BYTES=str(MAX_PAYLOAD_BYTES)) as demo:
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


def counted(demo: Demo, *names: str) -> list[float]:
    """Return counters of the list."""
    samples = demo.samples()
    return [samples.total(f"backend_procedure_cache_{name}_total", resource="list") for name in names]


def grown(demo: Demo, *names: str) -> list[float]:
    """Let all read at once what nobody has built, be answered alike, and return how much counters of the list grow."""
    before = counted(demo, *names)
    assert len(read_at_once(demo)) == 1
    return [after - earlier for after, earlier in zip(counted(demo, *names), before, strict=True)]


def test_one_build_over_four_workers_and_one_per_process_without_redis(demo: Demo) -> None:
    for _ in range(3):
        change_something(demo)

        assert grown(demo, "misses", "store", "oversize") == [1, 1, 0]

    with ExitStack() as procedures:  # with which the list is too long for Redis
        for _ in range(6):
            procedures.enter_context(demo.procedure(description=LONG_TEXT))

        assert grown(demo, "misses", "store", "oversize") == [1, 0, 1]

    demo.kill_valkey()
    change_something(demo)

    (builds,) = grown(demo, "misses")
    assert 1 <= builds <= WORKERS
