"""Processes of the demo that are killed: what replaces them, and what ends with them."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.processes import eventually, is_gone
from tests.system.demo import Demo, running_demo

END_SECONDS = 10.0
START_SECONDS = 10.0
UNLISTED_SECONDS = 3.0  # a worker starts in less


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data directory for the demos that end here: each starts with what the one before has left."""
    return tmp_path_factory.mktemp("ending") / "data"


class Load:
    """Reads the list from several threads until it is stopped, and counts the answered and the lost reads."""

    def __init__(self, demo: Demo, clients: int = 4) -> None:
        self.answered = 0
        self.lost = 0
        self.wrong: list[str] = []
        self._demo = demo
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read) for _ in range(clients)]

    def __enter__(self) -> "Load":
        self._demo.client("viewer")
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        while not self._stop.is_set():
            try:
                response = self._demo.get("/procedures")
            except httpx.TransportError:
                with self._lock:
                    self.lost += 1
                continue
            with self._lock:
                self.answered += response.status_code == 200
                if response.status_code != 200:
                    self.wrong.append(f"{response.status_code} {response.text}")


def test_a_worker_killed_under_load_is_replaced_and_nothing_is_counted_wrong(demo: Demo) -> None:
    killed_pid, surviving_pid = demo.pids["workers"]
    before = demo.cache_counts()

    with Load(demo) as load:
        eventually(lambda: load.answered >= 50)
        os.kill(killed_pid, signal.SIGKILL)
        eventually(lambda: len(set(demo.pids["workers"]) - {killed_pid}) == 2)
        answered = load.answered
        eventually(lambda: load.answered >= answered + 50)

    counted = demo.cache_counts() - before
    reads = counted["hits_total list"] + counted["misses_total list"]
    assert surviving_pid in demo.pids["workers"]
    assert load.wrong == []
    # Those that the killed worker was about to answer may have been counted.
    assert load.answered <= reads <= load.answered + load.lost
    assert load.lost <= 16


# With a demo of its own: granian takes a death within 5.5 s of a replacement for a crash loop, and ends.
def test_workers_that_replace_killed_ones_answer_once_they_are_listed(data_dir: Path) -> None:
    with running_demo(data_dir, "--no-sample-data") as demo, demo.procedure() as procedure_key:
        killed_pids = set(demo.pids["workers"])

        with demo.frozen(demo.process.pid):
            for killed_pid in killed_pids:
                os.kill(killed_pid, signal.SIGKILL)
            answered_unlisted = answers_within(demo, UNLISTED_SECONDS)
        pids = eventually(lambda: pids if len(pids := set(demo.pids["workers"]) - killed_pids) == 2 else set())

        assert not answered_unlisted
        assert all(psutil.pid_exists(pid) for pid in pids)
        assert answers_within(demo, START_SECONDS)
        assert demo.put_procedure(procedure_key, title="Answered").status_code == 200
        assert {demo.read(f"/procedures/{procedure_key}")["title"] for _ in range(10)} == {"Answered"}


def answers_within(demo: Demo, seconds: float) -> bool:
    """Tell whether anything answers before the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            return demo.client(None).get("/healthz", timeout=0.2).status_code == 200
    return False


def test_a_killed_supervisor_leaves_no_process_behind(data_dir: Path) -> None:
    with running_demo(data_dir, "--no-sample-data") as demo:
        descendants = demo.descendants()

        demo.process.kill()
        demo.process.wait()

        assert len(descendants) >= 5
        eventually(lambda: all(is_gone(process) for process in descendants), END_SECONDS)


def test_a_killed_web_server_ends_the_demo(data_dir: Path) -> None:
    with running_demo(data_dir, "--no-sample-data") as demo:
        descendants = demo.descendants()

        os.kill(demo.pids["server"], signal.SIGKILL)
        exit_code = demo.wait_until_ended()

        assert exit_code == 1
        assert "granian, the web server, ended" in demo.stderr
        assert all(is_gone(process) for process in descendants)


def test_a_killed_postgresql_ends_the_demo(data_dir: Path) -> None:
    with running_demo(data_dir, "--no-sample-data") as demo:
        descendants = demo.descendants()

        os.kill(demo.pids["postgres"], signal.SIGKILL)
        exit_code = demo.wait_until_ended()

        assert exit_code == 1
        assert "PostgreSQL ended" in demo.stderr
        assert all(is_gone(process) for process in descendants)


def test_a_demo_with_frozen_children_can_be_stopped(data_dir: Path) -> None:
    with running_demo(data_dir, "--no-sample-data") as demo:
        descendants = demo.descendants()
        for pid in (demo.pids["redis"], demo.pids["server"], demo.pids["workers"][0]):
            os.kill(pid, signal.SIGSTOP)

        demo.process.terminate()
        exit_code = demo.wait_until_ended()

        assert exit_code == 0
        assert all(is_gone(process) for process in descendants)
