"""Sixteen readers ask at once for a body that nobody has built: only one of them builds it, over four workers."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.factories import step
from tests.system.demo import Demo, running_demo

READERS, WORKERS = 16, 4
MAX_PAYLOAD_BYTES = 256 * 1024  # more than the list has at first
LONG_STEPS = [step(f"step-{number}", instructions="x" * 4_000) for number in range(15)]


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
    """Return counters of the list, and how often Redis was late for anybody: it failed, or was slow and not asked."""
    samples = demo.samples()
    of_the_list = [samples.total(f"backend_procedure_cache_{name}_total", resource="list") for name in names]
    fallbacks = samples.total("backend_procedure_cache_fetch_seconds_count", resource="list", source="fallback")
    return [*of_the_list, samples.total("backend_procedure_cache_errors_total") + fallbacks]


def grown(demo: Demo, *names: str) -> list[float]:
    """Let all read at once what nobody has built, be answered alike, and return how much `counted` grows."""
    before = counted(demo, *names)
    assert len(read_at_once(demo)) == 1
    return [after - earlier for after, earlier in zip(counted(demo, *names), before, strict=True)]


def test_one_build_over_four_workers_and_one_per_process_without_redis(demo: Demo) -> None:
    for _ in range(3):
        change_something(demo)

        builds, stores, too_long, late = grown(demo, "misses", "store", "oversize")
        assert (stores, too_long) == (1, 0)
        assert 1 <= builds <= 1 + late  # for whom Redis is late builds without it

    with ExitStack() as procedures:  # with which the list is too long for Redis
        for _ in range(6):
            procedures.enter_context(demo.procedure(steps=LONG_STEPS))

        builds, stores, too_long, late = grown(demo, "misses", "store", "oversize")
        assert (stores, too_long) == (0, 1)
        assert 1 <= builds <= 1 + late

    demo.kill_valkey()
    change_something(demo)

    builds, _ = grown(demo, "misses")
    assert 1 <= builds <= WORKERS
