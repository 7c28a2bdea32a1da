"""Where the processes of a server count together: files in PROMETHEUS_MULTIPROC_DIR, one set for each slot.

prometheus_client's own values have a set of files for each process id, so files pile up with every worker that is
replaced and every command, and they raise in the middle of a request when a file cannot be had. Here a process takes
the lowest slot that is free, by a lock that the kernel frees however the process ends; the next one to take the slot
goes on counting where it ended. So there are as many sets as processes have ever run at once.

Nothing here raises: where no file can be had, a number is kept in memory, and the file is tried again once a second.
"""

import contextlib
import fcntl
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import prometheus_client.values
import structlog
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from procedures_project.metric_records import DamagedFile, check_records

logger = structlog.get_logger(__name__)

MAX_SLOTS = 512
LOOK_EVERY_SECONDS = 1.0
ENTRY_BYTES = 40  # of an entry, beside its key, at most
FILE_NAME = re.compile(r"(counter|histogram|summary|gauge_(?P<mode>[a-z]+))_(?P<slot>\d+)\.db")


def count_in(directory: Path | None) -> None:
    """Keep all series of this process in files of `directory`, or in memory if there is none.

    To be called before the first series is made.
    """
    if directory is None:
        prometheus_client.values.ValueClass = prometheus_client.values.MutexValue
        return
    files = SlotFiles(directory)
    os.register_at_fork(after_in_child=files.forget)
    prometheus_client.values.ValueClass = files.value_class()  # what metrics look up


def is_held(directory: Path, slot: int) -> bool:
    """Tell whether a slot belongs to a living process."""
    descriptor = None
    try:
        descriptor = os.open(_lock_path(directory, slot), os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return False


def remove_files_of_the_dead(directory: Path) -> None:
    """Remove the files of counts of processes that no longer live, and nothing else."""
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            name = FILE_NAME.fullmatch(path.name)
            if name and not is_held(directory, int(name["slot"])):
                with contextlib.suppress(OSError):
                    path.unlink()


class CountsFile(MmapedDict):
    """A file of numbers, whose bytes are on the disk before they are written to: a full disk would kill the process."""

    def __init__(self, path: Path) -> None:
        with open(path, "ab") as file:
            os.posix_fallocate(file.fileno(), 0, max(file.tell(), 1 << 16))
        super().__init__(str(path))  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        if self._used + len(key.encode()) + ENTRY_BYTES > self._capacity:
            os.posix_fallocate(self._f.fileno(), 0, self._capacity * 2)
        super()._init_value(key)  # type: ignore[no-untyped-call]


class SlotFiles:
    """The files of the slot that this process has. For any thread.

    Args:
        directory: Where they are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._begin()

    def _begin(self) -> None:
        self.lock = threading.RLock()  # what is logged here may count lines that are dropped
        self.look_at = 0.0
        self._values: list[Any] = getattr(self, "_values", [])
        self._files: dict[str, CountsFile] = {}
        self._slot: int | None = None
        self._held: int | None = None
        self._is_failing = False

    def forget(self) -> None:
        """Give up the parent's slot, in a child that was forked: it counts for itself."""
        if self._held is not None:
            os.close(self._held)
        self._begin()
        for value in self._values:
            value.detach(own=0.0)

    def value_class(self) -> type:
        """Return the class of values that are kept here, as prometheus_client wants it."""

        class SlotValue(_SlotValue):
            files = self

        return SlotValue

    def add(self, value: "_SlotValue") -> None:
        """Add a new value; with the lock held."""
        self._values.append(value)
        self._attach(value)

    def look(self, now: float) -> None:
        """See whether the files are still there, and try again what failed; with the lock held."""
        self.look_at = now + LOOK_EVERY_SECONDS
        if self._held is not None and not self._is_in_place():
            self._let_go()
        for value in self._values:
            if value.file is None and not self._attach(value):
                break

    def _attach(self, value: "_SlotValue") -> bool:
        """Keep a value in its file, if that is available."""
        try:
            value.attach(self._file(value.family))
        except Exception as error:  # noqa: BLE001  # of the system, or of a library that reads damaged bytes
            if not self._is_failing:
                self._is_failing = True
                logger.warning("metrics_not_shared", error=str(error), directory=str(self._directory))
            return False
        self._is_failing = False
        return True

    def _file(self, family: str) -> CountsFile:
        if self._slot is None:
            self._take_slot()
        if family not in self._files:
            self._files[family] = CountsFile(self._directory / f"{family}_{self._slot}.db")
        return self._files[family]

    def _take_slot(self) -> None:
        for slot in range(MAX_SLOTS):
            held = os.open(_lock_path(self._directory, slot), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(held)
                continue
            os.truncate(held, 0)
            os.write(held, f"{os.getpid()}\n".encode())
            self._slot, self._held = slot, held
            self._clear_what_cannot_go_on(slot)
            return
        raise OSError(f"all {MAX_SLOTS} slots are taken")

    def _clear_what_cannot_go_on(self, slot: int) -> None:
        """Remove what the slot's last holder left that nobody can read, and what was true of that process alone."""
        for path in self._directory.iterdir():
            name = FILE_NAME.fullmatch(path.name)
            if name is None or int(name["slot"]) != slot:
                continue
            is_of_the_dead = (name["mode"] or "").startswith("live")
            try:
                check_records(path)
                is_damaged = False
            except DamagedFile as damage:
                is_damaged = True
                logger.warning("metrics_file_removed", file=path.name, error=str(damage))
            if is_damaged or is_of_the_dead:
                path.unlink()

    def _is_in_place(self) -> bool:
        """Tell whether the slot's lock still has its name: somebody may have removed the directory."""
        try:
            named = os.stat(_lock_path(self._directory, self._slot or 0))
        except OSError:
            return False
        held = os.fstat(self._held or 0)
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)

    def _let_go(self) -> None:
        """Give the slot up, and keep what was counted."""
        if self._held is not None:
            os.close(self._held)
        self._slot = self._held = None
        self._files = {}
        for value in self._values:
            value.detach(own=value.base + value.own)


class _SlotValue:
    """A number of a series, as prometheus_client's metrics use it.

    Attributes:
        files: Where it is kept.
        family: The beginning of its file's name.
        file: Its file; None while none is available.
        base: What the file already had when this process began to count in it.
        own: What this process has counted.
    """

    files: SlotFiles
    _multiprocess = True

    def __init__(  # noqa: PLR0913, PLR0917  # the signature is prometheus_client's
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Any,
        labelvalues: Any,
        help_text: str,
        multiprocess_mode: str = "",
        **_: Any,
    ) -> None:
        self.family = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
        self._key = mmap_key(metric_name, name, labelnames, labelvalues, help_text)
        self._timestamp = 0.0
        self.file: CountsFile | None = None
        self.base = self.own = 0.0
        with self.files.lock:
            self.files.add(self)

    def attach(self, file: CountsFile) -> None:
        """Go on in a file.

        Raises:
            OSError: there is no room in it.
        """
        self.base, self._timestamp = file.read_value(self._key)  # type: ignore[no-untyped-call]
        self.file = file
        if self.own:
            self._write()

    def detach(self, own: float) -> None:
        """Go on in memory."""
        self.file, self.base, self.own = None, 0.0, own

    def inc(self, amount: float) -> None:
        """Add to the number."""
        with self.files.lock:
            self.own += amount
            self._timestamp = 0.0
            self._write()

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Set the number."""
        with self.files.lock:
            self.base, self.own = 0.0, value
            self._timestamp = timestamp or 0.0
            self._write()

    def get(self) -> float:
        """Return the number."""
        return self.base + self.own

    def set_exemplar(self, exemplar: Any) -> None:
        """Do nothing: files have no room for it."""

    def get_exemplar(self) -> None:
        """Return None."""

    def _write(self) -> None:
        now = time.monotonic()
        if now >= self.files.look_at:
            self.files.look(now)
        if self.file is not None:
            self.file.write_value(self._key, self.base + self.own, self._timestamp)  # type: ignore[no-untyped-call]


def _lock_path(directory: Path, slot: int) -> Path:
    return directory / f"slot_{slot}.lock"
