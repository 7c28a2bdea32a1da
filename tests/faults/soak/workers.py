"""How much memory the workers hold, minute by minute."""

import contextlib
import statistics
import threading
import time
from collections.abc import Sequence

import psutil

from tests.faults.history.cluster import Node

BETWEEN_SAMPLES_SECONDS = 1.0
FIRST_MINUTE = 3  # until then caches fill


class Memory:
    """The resident memory of the workers, averaged over those that run at each sample."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._began = time.monotonic()
        self._minutes: dict[int, list[float]] = {}

    def sample(self, ending: threading.Event) -> None:
        """Take one sample."""
        sizes = []
        for node in self._nodes:
            with contextlib.suppress(psutil.NoSuchProcess):
                sizes += [worker.memory_info().rss for worker in node.workers()]
        if sizes:
            minute = int((time.monotonic() - self._began) // 60)
            self._minutes.setdefault(minute, []).append(statistics.mean(sizes))
        ending.wait(BETWEEN_SAMPLES_SECONDS)

    def mebibytes(self) -> list[float]:
        """Return the mean of each whole minute."""
        return [statistics.mean(self._minutes[minute]) / 2**20 for minute in sorted(self._minutes)]

    def growth(self) -> float | None:
        """Return how many times as much the last minute held as the third; None before there are four."""
        minutes = self.mebibytes()
        return minutes[-1] / minutes[FIRST_MINUTE - 1] if len(minutes) > FIRST_MINUTE else None
