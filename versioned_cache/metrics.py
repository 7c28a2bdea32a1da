"""The cache's Prometheus series. Nothing else names one.

Every child exists from the start, so that `rate()` of something that has not happened yet is 0 and not "no data".
"""

from collections.abc import Iterable
from enum import StrEnum

from prometheus_client import Counter, Gauge, Histogram, Metric

from versioned_cache.configuration import metric_prefix

Series = Iterable[Metric]
"""Series as they are collected, of one process or of all."""


class Source(StrEnum):
    """Where a body came from."""

    MEMORY = "memory"
    REDIS = "redis"
    DATABASE = "database"
    FALLBACK = "fallback"


class RedisOperation(StrEnum):
    """What failed."""

    READ = "read"
    STORE = "store"
    INVALIDATE = "invalidate"


# A hit takes a few tenths of a millisecond, a fetch a few milliseconds: the buckets are dense there.
FETCH_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

_PREFIX = metric_prefix()

HITS = Counter(f"{_PREFIX}_hits_total", "Cached reads answered without a fetcher.", ["resource"])
MISSES = Counter(f"{_PREFIX}_misses_total", "Cached reads that ran a fetcher.", ["resource"])
STORES = Counter(f"{_PREFIX}_store_total", "Payloads accepted by Redis.", ["resource"])
INVALIDATIONS = Counter(
    f"{_PREFIX}_invalidations_total", "Resources whose counter was bumped, once a transaction.", ["resource"]
)
OVERSIZE = Counter(f"{_PREFIX}_oversize_total", "Bodies too long to be stored in Redis as a whole.", ["resource"])
STALE = Counter(f"{_PREFIX}_stale_total", "Cached bodies that an audit found wrong.", ["resource"])
ERRORS = Counter(f"{_PREFIX}_errors_total", "Redis operations that failed.", ["operation"])
BUMPS_REFUSED = Gauge(
    f"{_PREFIX}_bumps_refused",
    "Whether some process finds that Redis answers and refuses bumps.",
    multiprocess_mode="livemax",
)
REFILLS = Counter(
    f"{_PREFIX}_lease_refills_total", "Counters that a read found gone, and bumped: nobody had asked for a lease.",
    ["resource"],
)  # fmt: skip
BREAKER_OPEN = Gauge(
    f"{_PREFIX}_breaker_open", "Processes that do not trust Redis at present.", multiprocess_mode="livesum"
)
BUMPS_OWED = Gauge(
    f"{_PREFIX}_bumps_owed",
    "Bumps that Redis has not taken yet, and that are tried again.",
    multiprocess_mode="livesum",
)
MEMORY_BYTES = Gauge(f"{_PREFIX}_memory_bytes", "Bodies in the memory of all processes.", multiprocess_mode="livesum")
AUDITED_AT = Gauge(f"{_PREFIX}_audited_timestamp_seconds", "When audit_cache last ended.", multiprocess_mode="max")
FETCH_SECONDS = Histogram(
    f"{_PREFIX}_fetch_seconds",
    "From asking the cache to having the body.",
    ["resource", "source"],
    buckets=FETCH_BUCKETS,
)

# Bound once, since looking a child up takes longer than counting.
READS: dict[tuple[str, bool], Counter] = {}
"""The counter of reads, by the label of the kind and whether a fetcher ran."""

FETCHES: dict[tuple[str, Source], Histogram] = {}
"""The histogram of a kind and a source."""


def declare(label: str) -> None:
    """Make every child of a kind of resource."""
    READS[label, True], READS[label, False] = MISSES.labels(label), HITS.labels(label)
    for source in Source:
        FETCHES[label, source] = FETCH_SECONDS.labels(label, source)
    for counter in (STORES, INVALIDATIONS, OVERSIZE, STALE, REFILLS):
        counter.labels(label)


for _operation in RedisOperation:
    ERRORS.labels(_operation)
