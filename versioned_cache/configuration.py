"""What a project says about its cache in its settings. Everything but the address of Redis has a default."""

from dataclasses import replace
from typing import Any

from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from versioned_cache.addresses import NOBODY, Address, Credentials, parse, tls_context
from versioned_cache.packing import SegmentPacker

# Note [Redis timeouts]
# redis-py's defaults (5 s, 10 retries) make one request wait a minute for a frozen server. A read takes
# a tenth of a millisecond, so a server that needs a hundred is as good as down. A bump may wait longer, twice.
READ_TIMEOUT_SECONDS = 0.1
BUMP_TIMEOUT_SECONDS = 0.125
CONNECT_TIMEOUT_SECONDS = 1.0  # each step of making a connection, which nobody waits for to its end
PAYLOAD_TIMEOUT_SECONDS = 1.0  # for sending one; the answer has what the limit on the operation leaves
SLOWEST_BYTES_PER_SECOND = 64 * 1024 * 1024  # half of what a network of a gigabit a second carries

LONG_BYTES = 256 * 1024  # longer payloads are written over connections of their own, in pieces

PAYLOAD_TTL_SECONDS = 300

READS, BUMPS, PAYLOADS = "default", "bumps", "payloads"
"""The entries of `CACHES`: what reads and fills, what bumps counters after a write, what stores large payloads."""

PARSER = "versioned_cache.connection.DeadlineParser"
CONNECTION_FACTORY = "versioned_cache.servers.ConnectionFactory"


def checked_redis_url(url: str) -> str:
    """Return the URL, if it leads to one server, to Sentinels or to a cluster.

    Raises:
        ValueError: it does not, or a file that it names cannot be used. The message, which follows the name of what
            was read, names no user and no password.
    """
    address = parse(url)
    if address.tls is not None:
        tls_context(address.tls)
    return url


def redis_caches(
    url: str, client_name: str, credentials: Credentials = NOBODY, sentinel_credentials: Credentials = NOBODY
) -> dict[str, dict[str, Any]]:
    """Return the setting `CACHES` for Redis.

    Args:
        url: Where it is; `addresses.FORM` says what it looks like.
        client_name: What servers call this program's connections, followed by their purpose.
        credentials: Who connects, in place of those in the URL, where some characters must be encoded.
        sentinel_credentials: The same for Sentinels.

    Raises:
        ValueError: see `checked_redis_url`.
    """
    address = parse(checked_redis_url(url))
    address = replace(
        address,
        credentials=credentials if credentials != NOBODY else address.credentials,
        sentinel_credentials=sentinel_credentials if sentinel_credentials != NOBODY else address.sentinel_credentials,
    )
    return {
        READS: _redis_cache(f"{client_name}-reads", READ_TIMEOUT_SECONDS, address),
        BUMPS: _redis_cache(f"{client_name}-bumps", BUMP_TIMEOUT_SECONDS, address),
        PAYLOADS: _redis_cache(
            f"{client_name}-payloads", PAYLOAD_TIMEOUT_SECONDS, address, command_packer=SegmentPacker()
        ),
    }


def _redis_cache(client_name: str, timeout_seconds: float, address: Address, **connection: Any) -> dict[str, Any]:
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": [client_name],  # what django-redis tells pools apart by
        "OPTIONS": {
            "CONNECTION_FACTORY": CONNECTION_FACTORY,
            "ADDRESS": address,
            "SOCKET_CONNECT_TIMEOUT": CONNECT_TIMEOUT_SECONDS,
            "SOCKET_TIMEOUT": timeout_seconds,
            "PARSER_CLASS": PARSER,
            "CONNECTION_POOL_KWARGS": {
                "max_connections": 64,
                "retry": Retry(NoBackoff(), retries=0),
                "protocol": 2,  # bytes are all we exchange, and a connection is ready sooner without HELLO
                "driver_info": None,  # nor does the server need to know what library it talks to
                **connection,
            },
        },
    }


def lease_ms() -> int:
    """Return the lease X, in milliseconds: how long a crash or a write past the service can go unnoticed at most."""
    return int(getattr(settings, "CACHE_LEASE_MS", 5000))


def max_payload_bytes() -> int:
    """Return how long a body may be to be stored in Redis as a whole."""
    return int(getattr(settings, "CACHE_MAX_PAYLOAD_BYTES", 32 * 1024 * 1024))


def metric_prefix() -> str:
    """Return what the names of all series begin with; read once, at start."""
    return str(getattr(settings, "CACHE_METRIC_PREFIX", "versioned_cache"))


def event_prefix() -> str:
    """Return what the names of all events in the log begin with; read once, at start."""
    return str(getattr(settings, "CACHE_EVENT_PREFIX", "versioned_cache"))
