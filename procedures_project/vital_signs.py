"""What a worker reports about itself once a second: how busy it is, how large, and how it found its stores."""

import asyncio
import os
import platform
import time

import django

from procedures_project import __version__, metrics
from procedures_project.django_pool import DjangoPool
from procedures_project.readiness import Readiness
from versioned_cache.engine import cache

EVERY_SECONDS = 1.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class VitalSigns:
    """Measures one worker. For one event loop.

    Args:
        pool: Django's threads.
        threads: How many there are.
        readiness: How the stores were found.
    """

    def __init__(self, pool: DjangoPool, threads: int, readiness: Readiness) -> None:
        self._pool = pool
        self._threads = threads
        self._readiness = readiness
        self._counted = (0.0, 0.0)
        metrics.BUILD.labels(__version__, platform.python_version(), django.get_version()).set(1)
        metrics.WORKER_STARTS.inc()

    async def keep_measuring(self) -> None:
        """Measure again and again, until cancelled."""
        while True:
            due = time.monotonic() + EVERY_SECONDS
            self.measure()
            await asyncio.sleep(EVERY_SECONDS)
            metrics.LOOP_LAG_SECONDS.set(max(0.0, time.monotonic() - due))

    def measure(self) -> None:
        """Measure once."""
        metrics.WORKERS.set(1)
        self._measure_process()
        metrics.THREADS.set(self._threads)
        metrics.THREADS_BUSY.set(self._pool.busy)
        metrics.REQUESTS_WAITING.set(self._pool.waiting)
        cache.measure()
        found = self._readiness.found
        for component in ("postgresql", "redis"):
            metrics.COMPONENT_OK.labels(component).set(found[component] == "ok")
        metrics.MIGRATIONS_PENDING.set(found["postgresql"] == "migrations pending")

    def _measure_process(self) -> None:
        used = os.times()
        for mode, now, before in zip(("user", "system"), used[:2], self._counted, strict=True):
            metrics.CPU_SECONDS.labels(mode).inc(now - before)
        self._counted = used[:2]
        with open("/proc/self/statm", encoding="ascii") as sizes:
            resident = int(sizes.read().split()[1]) * PAGE_BYTES
        metrics.RESIDENT_BYTES.set(resident)
        metrics.LARGEST_RESIDENT_BYTES.set(resident)
        metrics.OPEN_FILES.set(len(os.listdir("/proc/self/fd")))
