"""Files that processes count in: one set a slot, whatever happens to the files, the directory or the processes."""

import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from procedures_project.metric_files import FILE_NAME, is_held, remove_files_of_the_dead
from procedures_project.metrics import SlotCollector
from tests import PROJECT_DIR
from tests.samples import Samples

COUNT = """
    import os, sys
    from pathlib import Path
    import structlog
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    from procedures_project.metric_files import count_in

    count_in(Path(sys.argv[1]))
    from prometheus_client import Counter, Gauge, Histogram

    COUNTER = Counter("things_total", "Things.", ["kind"])
    GAUGE = Gauge("level", "How high.", multiprocess_mode="livesum")
    HISTOGRAM = Histogram("seconds", "How long.", buckets=[1, 2])

    def count(number):
        for _ in range(number):
            COUNTER.labels("a").inc()
            HISTOGRAM.observe(1.5)
        GAUGE.set(number)
"""

LOOK = "COUNTER.labels('a')._value.files.look_at = 0.0"
"""Lets it look after its files at the next count, as it does once a second."""


class Counting(subprocess.Popen[str]):
    """A process that counts in a directory, and does what it is told, a line of Python at a time."""

    def __init__(self, directory: Path, preexec: str = "") -> None:
        loop = "\nfor line in sys.stdin:\n    exec(line)\n    print('done', flush=True)\n"
        super().__init__(
            [sys.executable, "-c", preexec + textwrap.dedent(COUNT) + loop, str(directory)],
            cwd=PROJECT_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def do(self, line: str) -> None:
        """Have a line executed, and return when it has been."""
        assert self.stdin is not None
        assert self.stdout is not None
        self.stdin.write(line + "\n")
        self.stdin.flush()
        assert self.stdout.readline() == "done\n", line

    def end(self, signum: int = signal.SIGKILL) -> None:
        """End it; by SIGKILL, so that nothing is tidied up."""
        self.send_signal(signum)
        self.communicate()


def scraped(directory: Path) -> Samples:
    """Return what a scrape of a directory says."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

    registry = CollectorRegistry()
    registry.register(SlotCollector(directory))
    return Samples(generate_latest(registry).decode())


def things(directory: Path) -> float:
    return scraped(directory).total("things_total")


def skipped(directory: Path) -> float:
    return scraped(directory).total("backend_metrics_files_skipped")


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("*.db")}


def test_processes_at_once_have_a_slot_each_and_their_counts_add_up(tmp_path: Path) -> None:
    first, second = Counting(tmp_path), Counting(tmp_path)
    first.do("count(3)")
    second.do("count(4)")

    assert things(tmp_path) == 7
    assert scraped(tmp_path).total("seconds_count") == 7
    assert scraped(tmp_path).total("level") == 7
    assert {(tmp_path / f"slot_{slot}.lock").read_text() for slot in (0, 1)} == {f"{first.pid}\n", f"{second.pid}\n"}
    first.end()
    second.end()


def test_whoever_takes_a_slot_of_the_dead_goes_on_counting_there(tmp_path: Path) -> None:
    names = set()
    for number in range(1, 5):
        process = Counting(tmp_path)
        process.do("count(2)")
        assert things(tmp_path) == number * 2
        process.end()
        names |= files(tmp_path)

    assert things(tmp_path) == 8
    assert names == {"counter_0.db", "histogram_0.db", "gauge_livesum_0.db"}


def test_a_gauge_of_the_living_ends_with_its_process(tmp_path: Path) -> None:
    process, other = Counting(tmp_path), Counting(tmp_path)
    process.do("count(3)")
    other.do("count(2)")
    process.end()
    assert scraped(tmp_path).total("level") == 2

    successor = Counting(tmp_path)
    successor.do("pass")

    assert scraped(tmp_path).total("level") == 2
    successor.end()
    other.end()


def test_a_child_that_is_forked_counts_for_itself(tmp_path: Path) -> None:
    process = Counting(tmp_path)
    process.do("count(3)")
    process.do("pid = os.fork(); os._exit(count(2) or 0) if pid == 0 else os.waitpid(pid, 0)")
    process.do("count(1)")

    assert things(tmp_path) == 6
    process.end()


def entry(key: bytes, length: int | None = None) -> bytes:
    padded = key + b" " * (8 - (len(key) + 4) % 8)
    return struct.pack(f"i{len(padded)}sdd", len(key) if length is None else length, padded, 1.0, 0.0)


def file_of(*entries: bytes, used: int | None = None) -> bytes:
    content = b"".join(entries)
    return struct.pack("ii", 8 + len(content) if used is None else used, 0) + content


KEY = mmap_key("things", "things_total", ["kind"], ["a"], "Things.").encode()
DAMAGED = {
    "torn in the head": b"\x08\x00",
    "with more bytes than it has": file_of(entry(KEY), used=500),
    "negative": file_of(entry(KEY), used=-8),
    "with a key of negative length": file_of(entry(KEY, length=-28)),
    "with a key beyond the end": file_of(entry(KEY, length=1_000)),
    "with a key that is no text": file_of(entry(b"\xff\xfe")),
    "with a key that is no JSON": file_of(entry(b"things")),
    "with a key of another form": file_of(entry(b'["things", "things_total", {}]')),
    "with labels that are none": file_of(entry(b'["things", "things_total", ["a"], ""]')),
    "with a bucket that is no number": file_of(entry(b'["seconds", "seconds_bucket", {"le": "x"}, ""]')),
    "random": bytes(range(256)) * 40,
    "text": b"# HELP things\n" * 1_000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_left_out_and_counted(tmp_path: Path, content: bytes) -> None:
    process = Counting(tmp_path)
    process.do("count(3)")
    (tmp_path / "counter_99998.db").write_bytes(content)

    assert things(tmp_path) == 3
    assert skipped(tmp_path) == 1

    (tmp_path / "counter_99998.db").unlink()
    assert skipped(tmp_path) == 0
    process.end()


@pytest.mark.parametrize("name", ["counter_7.db", "histogram_7.db", "gauge_all_7.db"])
def test_an_empty_file_is_one_without_counts(tmp_path: Path, name: str) -> None:
    process = Counting(tmp_path)
    process.do("count(3)")
    (tmp_path / name).write_bytes(b"")
    (tmp_path / "histogram_8.db").write_bytes(bytes(65_536))

    assert things(tmp_path) == 3
    process.end()


def test_what_is_not_a_file_of_counts_is_left_out_and_counted(tmp_path: Path) -> None:
    process = Counting(tmp_path)
    process.do("count(3)")
    (tmp_path / "counter_5.db").mkdir()
    os.mkfifo(tmp_path / "counter_6.db")
    (tmp_path / "gauge_x.db").write_bytes(file_of(entry(KEY)))
    (tmp_path / "foreign_7.db").write_bytes(file_of(entry(KEY)))
    (tmp_path / "counter_8.db").symlink_to("counter_8.db")
    (tmp_path / "notes.txt").write_text("not looked at")

    assert things(tmp_path) == 3
    assert skipped(tmp_path) == 5
    process.end()


def test_a_damaged_file_in_a_slot_that_is_taken_over_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "counter_0.db").write_bytes(DAMAGED["random"])
    process = Counting(tmp_path)
    process.do("count(3)")

    assert things(tmp_path) == 3
    assert skipped(tmp_path) == 0
    process.end()


def test_a_directory_that_is_gone_fails_nobody_and_one_that_is_back_gets_all_counts(tmp_path: Path) -> None:
    directory = tmp_path / "metrics"
    directory.mkdir()
    process = Counting(directory)
    process.do("count(3)")
    shutil.rmtree(directory)
    process.do(LOOK)
    process.do("count(2)")
    assert scraped(directory).total("things_total") == 0

    directory.mkdir()
    process.do(LOOK)
    process.do("count(1)")

    assert things(directory) == 6
    process.end()


def test_a_directory_that_was_never_there_fails_nobody(tmp_path: Path) -> None:
    process = Counting(tmp_path / "nowhere")
    process.do("count(3)")
    process.do("assert COUNTER.labels('a')._value.get() == 3")
    process.end()


def test_a_full_disk_fails_nobody(tmp_path: Path) -> None:
    # The system refuses what would make a file longer than this, as it does on a full disk.
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, {resource.RLIM_INFINITY}))\n"
    process = Counting(tmp_path, preexec=limit)
    process.do("count(2)")

    process.do("[COUNTER.labels('x' * 200 + str(number)).inc() for number in range(1_000)]")

    process.do("assert COUNTER.labels('x' * 200 + '999')._value.get() == 1")
    process.do("count(1)")
    assert scraped(tmp_path).total("things_total", kind="a") == 3
    process.do("resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)")
    process.do(LOOK)
    process.do("count(1)")
    assert scraped(tmp_path).total("things_total") == 1_004
    process.end()


def test_the_files_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    dead, living = Counting(tmp_path), Counting(tmp_path)
    dead.do("count(3)")
    living.do("count(4)")
    dead.end()
    (tmp_path / "counter_99998.db").write_bytes(b"")  # of a process id, as earlier versions wrote them
    (tmp_path / "notes.txt").write_text("somebody's")

    remove_files_of_the_dead(tmp_path)

    held = next(slot for slot in (0, 1) if is_held(tmp_path, slot))
    names = files(tmp_path)
    assert names == {f"{family}_{held}.db" for family in ("counter", "histogram", "gauge_livesum")}
    assert all(FILE_NAME.fullmatch(name) for name in names)
    assert (tmp_path / "notes.txt").exists()
    assert things(tmp_path) == 4
    living.end()


def test_the_form_is_that_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "counter_3.db"
    written = MmapedDict(str(path))
    written.write_value(KEY.decode(), 5.0, 0.0)
    written.close()

    assert things(tmp_path) == 5
    assert skipped(tmp_path) == 0
