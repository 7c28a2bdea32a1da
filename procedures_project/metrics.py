"""The top storey's own series, and the page that shows those of all processes."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog
from django.conf import settings
from django.db import connection
from django_prometheus import db as database_series
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from procedures_project.log_output import Loss
from procedures_project.metric_files import FILE_NAME, is_held
from procedures_project.metric_records import DamagedFile, check_records

logger = structlog.get_logger(__name__)

MEDIA_TYPE = CONTENT_TYPE_LATEST

BUILD = Gauge(
    "backend_build_info", "Always 1; the labels say which code runs.", ["version", "python", "django"],
    multiprocess_mode="livemax",
)  # fmt: skip
CPU_SECONDS = Counter("backend_worker_cpu_seconds_total", "CPU time of all workers.", ["mode"])
RESIDENT_BYTES = Gauge("backend_workers_resident_bytes", "Memory of all workers.", multiprocess_mode="livesum")
LARGEST_RESIDENT_BYTES = Gauge(
    "backend_worker_largest_resident_bytes", "Memory of the largest worker.", multiprocess_mode="livemax"
)
OPEN_FILES = Gauge(
    "backend_workers_open_files", "Open connections and files of all workers.", multiprocess_mode="livesum"
)
WORKERS = Gauge("backend_workers", "Workers that serve.", multiprocess_mode="livesum")
WORKER_STARTS = Counter("backend_worker_starts_total", "Workers that were started, those in place of others included.")
THREADS = Gauge(
    "backend_django_threads", "Threads for requests in Django, of all workers.", multiprocess_mode="livesum"
)
THREADS_BUSY = Gauge("backend_django_threads_busy", "Those that have a request.", multiprocess_mode="livesum")
REQUESTS_WAITING = Gauge(
    "backend_django_requests_waiting", "Requests that wait for a thread.", multiprocess_mode="livesum"
)
REQUESTS_REJECTED = Counter(
    "backend_django_requests_rejected_total", "Requests answered 503, since no thread was free in time."
)
LOOP_LAG_SECONDS = Gauge(
    "backend_event_loop_lag_seconds", "How late the event loop of the slowest worker was, when it last looked.",
    multiprocess_mode="livemax",
)  # fmt: skip
COMPONENT_OK = Gauge(
    "backend_component_ok", "Whether every worker found a component well at its last look.", ["component"],
    multiprocess_mode="livemin",
)  # fmt: skip
LOOK_SECONDS = Gauge(
    "backend_component_look_seconds", "How long the slowest worker's last look at a component took.", ["component"],
    multiprocess_mode="livemax",
)  # fmt: skip
MIGRATIONS_PENDING = Gauge(
    "backend_migrations_pending", "Whether a migration of this code is not applied.", multiprocess_mode="livemax"
)
CLOCK_OFFSET_SECONDS = Gauge(
    "backend_clock_offset_seconds", "How far the clock of the worst host is from PostgreSQL's, either way.",
    multiprocess_mode="livemax",
)  # fmt: skip
LOG_LINES_DROPPED = Counter(
    "backend_log_lines_dropped_total", "Log lines that could not be written to standard error, by why.", ["reason"]
)

for _mode in ("user", "system"):
    CPU_SECONDS.labels(_mode)
for _loss in Loss:
    LOG_LINES_DROPPED.labels(_loss)
for _series in (
    database_series.connections_total,
    database_series.connection_errors_total,
    database_series.execute_total,
    database_series.execute_many_total,
    database_series.query_duration_seconds,
):
    _series.labels(connection.alias, connection.vendor)


def count_dropped_lines(loss: Loss, lines: int) -> None:
    """Count log lines that could not be written, and why."""
    LOG_LINES_DROPPED.labels(loss).inc(lines)


class SlotCollector:
    """Adds up what the files of all slots say, without those that cannot be read.

    Args:
        directory: Where they are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known_to_be_damaged: set[str] = set()

    def collect(self) -> Iterator[Metric]:
        """Return the series of all processes, and how many files were left out."""
        names = self._names()
        damaged: dict[str, str] = {}
        readable = [str(self._directory / name) for name in names if self._is_readable(name, damaged)]
        self._log(damaged)
        yield from self._merged(readable, damaged)
        yield GaugeMetricFamily(
            "backend_metrics_files_skipped", "Files of counts that could not be read.", value=len(damaged)
        )

    def _names(self) -> list[str]:
        """Return the names of all files of counts, except gauges that only told of processes which have ended."""
        try:
            names = sorted(name for name in os.listdir(self._directory) if name.endswith(".db"))
        except OSError as error:
            self._log({str(self._directory): str(error)})
            return []
        return [name for name in names if not self._is_of_the_dead(name)]

    def _is_of_the_dead(self, name: str) -> bool:
        parts = FILE_NAME.fullmatch(name)
        is_live = parts is not None and (parts["mode"] or "").startswith("live")
        return is_live and parts is not None and not is_held(self._directory, int(parts["slot"]))

    def _is_readable(self, name: str, damaged: dict[str, str]) -> bool:
        if FILE_NAME.fullmatch(name) is None:
            damaged[name] = "its name is not one of ours"
            return False
        try:
            check_records(self._directory / name)
        except DamagedFile as damage:
            damaged[name] = str(damage)
            return False
        return True

    def _merged(self, files: list[str], damaged: dict[str, str]) -> list[Metric]:
        """Return the sums; if they cannot be made, leave out the files that cannot be read even alone."""
        try:
            return list(MultiProcessCollector.merge(files))
        except Exception:  # noqa: BLE001  # whatever a library makes of bytes from anywhere
            good = []
            for file in files:
                try:
                    MultiProcessCollector.merge([file])
                    good.append(file)
                except Exception as error:  # noqa: BLE001
                    damaged[Path(file).name] = str(error)
            return list(MultiProcessCollector.merge(good))

    def _log(self, damaged: dict[str, str]) -> None:
        """Log each file once, until it can be read again."""
        for name in damaged.keys() - self._known_to_be_damaged:
            logger.warning("metrics_file_skipped", file=name, error=damaged[name])
        self._known_to_be_damaged = set(damaged)


def series_of_all_processes() -> Iterable[Metric]:
    """Return the series of all processes, for the page that shows them to people (`settings.SERIES`)."""
    return _registry.collect()


def metrics_page() -> bytes:
    """Return the series of all processes, as Prometheus reads them."""
    return generate_latest(_registry)


def _registry_of_all() -> CollectorRegistry:
    if settings.METRICS_DIR is None:
        return REGISTRY
    registry = CollectorRegistry()
    registry.register(SlotCollector(settings.METRICS_DIR))
    return registry


_registry = _registry_of_all()
