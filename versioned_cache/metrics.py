"""The cache's Prometheus series. Nothing else names one.

Every child exists from the start, so that `rate()` of something that has not happened yet is 0 and not "no data".
"""

from enum import StrEnum

from prometheus_client import Counter, Histogram

from versioned_cache.keys import Kind


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

HITS = Counter("backend_procedure_cache_hits_total", "Cached reads answered without a fetcher.", ["resource"])
MISSES = Counter("backend_procedure_cache_misses_total", "Cached reads that ran a fetcher.", ["resource"])
STORES = Counter("backend_procedure_cache_store_total", "Payloads accepted by Redis.", ["resource"])
INVALIDATIONS = Counter(
    "backend_procedure_cache_invalidations_total",
    "Resources whose counter was raised, once a transaction.",
    ["resource"],
)
STALE = Counter(
    "backend_procedure_cache_stale_total",
    "Cached bodies that an audit found wrong.",
    ["resource"],
)
ERRORS = Counter("backend_procedure_cache_errors_total", "Redis operations that failed.", ["operation"])
FETCH_SECONDS = Histogram(
    "backend_procedure_cache_fetch_seconds",
    "From asking the cache to having the body.",
    ["resource", "source"],
    buckets=FETCH_BUCKETS,
)

# Bound once, since looking a child up takes longer than counting.
READS = {(kind, is_built): (MISSES if is_built else HITS).labels(kind) for kind in Kind for is_built in (True, False)}
FETCHES = {(kind, source): FETCH_SECONDS.labels(kind, source) for kind in Kind for source in Source}
for _kind in Kind:
    for _counter in (STORES, INVALIDATIONS, STALE):
        _counter.labels(_kind)
for _operation in RedisOperation:
    ERRORS.labels(_operation)
