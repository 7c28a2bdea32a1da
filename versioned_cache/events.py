"""The cache's events in the log. Nothing else names one.

A hit, a miss and an invalidation share their fields, so that a client's latency can be traced to what the cache did.
"""

from versioned_cache.configuration import event_prefix

_PREFIX = event_prefix()

HIT = f"{_PREFIX}_hit"
MISS = f"{_PREFIX}_miss"
INVALIDATED = f"{_PREFIX}_invalidated"
INVALIDATION_FAILED = f"{_PREFIX}_invalidation_failed"
UNAVAILABLE = f"{_PREFIX}_unavailable"
PAYLOAD_REFUSED = f"{_PREFIX}_payload_refused"
BREAKER_OPENED = f"{_PREFIX}_breaker_opened"
BREAKER_CLOSED = f"{_PREFIX}_breaker_closed"
DEGRADED = f"{_PREFIX}_degraded"
RECOVERED = f"{_PREFIX}_recovered"
PAYLOAD_OVERSIZE = f"{_PREFIX}_payload_oversize"
STALE = f"{_PREFIX}_stale"
