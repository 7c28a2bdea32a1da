"""What the series of all processes say about the cache, put together for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from versioned_cache import metrics
from versioned_cache.keys import kinds
from versioned_cache.metrics import RedisOperation, Series, Source


class Tally:
    """The numbers in series collected from all processes, looked up by the metrics of this process; 0 if absent.

    Args:
        series: What was collected.
    """

    def __init__(self, series: Series) -> None:
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in series
            for sample in family.samples
        }

    def counted(self, counter: Any, **labels: str) -> int:
        """Return what a counter says."""
        return int(self._value(counter, "_total", labels))

    def level(self, gauge: Any, **labels: str) -> float:
        """Return what a gauge says."""
        return self._value(gauge, "", labels)

    def instant(self, gauge: Any) -> datetime | None:
        """Return the instant that a gauge says; None if it says none yet."""
        seconds = self.level(gauge)
        return datetime.fromtimestamp(seconds, UTC) if seconds else None

    def observed(self, histogram: Any, **labels: str) -> tuple[int, float]:
        """Return how many values a histogram has, and their sum."""
        return int(self._value(histogram, "_count", labels)), self._value(histogram, "_sum", labels)

    def _value(self, metric: Any, suffix: str, labels: Mapping[str, str]) -> float:
        (family,) = metric.describe()
        return self._values.get((family.name + suffix, frozenset(labels.items())), 0.0)


@dataclass(frozen=True, slots=True)
class ReadFigures:
    """The cached reads of one kind of resource, since the counts began.

    Attributes:
        label: The kind's label.
        hits: Reads that ran no fetcher.
        misses: Reads that ran one.
        by_source: How many bodies came from each source.
        mean_ms: How long it took to have a body, on average; None if there was none.
        bumps: How often a resource of the kind was bumped.
    """

    label: str
    hits: int
    misses: int
    by_source: Mapping[Source, int]
    mean_ms: float | None
    bumps: int

    @property
    def hit_percent(self) -> float | None:
        """The share of hits among the reads; None if there was none."""
        reads = self.hits + self.misses
        return 100 * self.hits / reads if reads else None


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """The cache of all processes.

    Attributes:
        reads: For each kind of resource.
        distrusting: How many processes do not trust Redis at present: their breakers are open.
        bumps_refused: Whether some process finds that Redis answers and refuses bumps.
        bumps_owed: Bumps that Redis has not taken yet.
        failures: How many operations of each sort have failed.
        memory_bytes: Bodies in the memory of all processes.
        audited_at: When cached bodies were last compared with the database; None if that is not known.
        stale: How many bodies audits have found wrong.
    """

    reads: Sequence[ReadFigures]
    distrusting: int
    bumps_refused: bool
    bumps_owed: int
    failures: Mapping[RedisOperation, int]
    memory_bytes: int
    audited_at: datetime | None
    stale: int


def cache_figures(tally: Tally) -> CacheFigures:
    """Return what the series say of the cache."""
    return CacheFigures(
        reads=[_read_figures(tally, label) for label in kinds],
        distrusting=int(tally.level(metrics.BREAKER_OPEN)),
        bumps_refused=bool(tally.level(metrics.BUMPS_REFUSED)),
        bumps_owed=int(tally.level(metrics.BUMPS_OWED)),
        failures={operation: tally.counted(metrics.ERRORS, operation=operation) for operation in RedisOperation},
        memory_bytes=int(tally.level(metrics.MEMORY_BYTES)),
        audited_at=tally.instant(metrics.AUDITED_AT),
        stale=sum(tally.counted(metrics.STALE, resource=label) for label in kinds),
    )


def _read_figures(tally: Tally, label: str) -> ReadFigures:
    fetches = {source: tally.observed(metrics.FETCH_SECONDS, resource=label, source=source) for source in Source}
    count, seconds = (sum(figures) for figures in zip(*fetches.values(), strict=True))
    return ReadFigures(
        label,
        hits=tally.counted(metrics.HITS, resource=label),
        misses=tally.counted(metrics.MISSES, resource=label),
        by_source={source: fetched for source, (fetched, _) in fetches.items()},
        mean_ms=1000 * seconds / count if count else None,
        bumps=tally.counted(metrics.INVALIDATIONS, resource=label),
    )
