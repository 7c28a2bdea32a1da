"""What a project says about its cache in its settings. Everything has a default but where Redis is."""

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

# Note [Redis timeouts]
# redis-py's defaults (5 s, 10 retries) make one request wait a minute for a frozen server. A read takes
# a tenth of a millisecond, so a server that needs a hundred is as good as down. A bump may wait longer, twice.
READ_TIMEOUT_SECONDS = 0.1
BUMP_TIMEOUT_SECONDS = 0.125

READS, BUMPS = "default", "bumps"
"""The entries of `CACHES` over which the cache is read and filled, and over which counters are bumped after a write."""

PARSER = "versioned_cache.connection.DeadlineParser"


URL_FORM = "redis://[user:password@]host:6379/0, rediss://… for TLS, or unix:///path/of/the/socket"


def checked_redis_url(url: str) -> str:
    """Return the URL of a Redis server, if redis-py can read it and takes all of it to heart.

    Raises:
        ValueError: it does not. The message holds nothing of the URL, which may have a password.
    """
    if not re.match(r"(rediss?|unix)://", url):
        raise ValueError(f"must be the address of a Redis server: {URL_FORM}")
    try:
        # Nothing is connected. Options of the URL are arguments of the connection, or nobody's.
        ConnectionPool.from_url(url).make_connection()
        parts = urlsplit(url)
        is_whole = parts.scheme == "unix" or bool(re.fullmatch(r"/?\d*", parts.path) and parts.port != 0)
    except (ValueError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        raise ValueError(f"cannot be read: write {URL_FORM}; percent-encode reserved characters in its password")
    return url


def redis_caches(url: str, client_name: str) -> dict[str, dict[str, Any]]:
    """Return the setting `CACHES` for a Redis server.

    Args:
        url: The server's, as redis-py reads it.
        client_name: What the server calls this program's connections, followed by their purpose.
    """
    return {
        READS: _redis_cache(f"{client_name}-reads", READ_TIMEOUT_SECONDS, url),
        BUMPS: _redis_cache(f"{client_name}-bumps", BUMP_TIMEOUT_SECONDS, url),
    }


def _redis_cache(client_name: str, timeout_seconds: float, url: str) -> dict[str, Any]:
    """Return one entry; its URL names the client, since django-redis shares a pool by URL."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"{url}{'&' if '?' in url else '?'}client_name={client_name}",
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": timeout_seconds / 2,
            "SOCKET_TIMEOUT": timeout_seconds,
            "PARSER_CLASS": PARSER,
            "CONNECTION_POOL_KWARGS": {
                "max_connections": 64,
                "retry": Retry(NoBackoff(), retries=0),
                "protocol": 2,  # bytes are all we exchange, and a connection is ready sooner without HELLO
                "driver_info": None,  # nor does the server need to know what library it talks to
            },
        },
    }


def lease_ms() -> int:
    """Return the lease X, in milliseconds: how long a crash or a write past the service can go unnoticed at most."""
    return int(getattr(settings, "CACHE_LEASE_MS", 5000))


def metric_prefix() -> str:
    """Return what the names of all series begin with; read once, at start."""
    return str(getattr(settings, "CACHE_METRIC_PREFIX", "versioned_cache"))


def event_prefix() -> str:
    """Return what the names of all events in the log begin with; read once, at start."""
    return str(getattr(settings, "CACHE_EVENT_PREFIX", "versioned_cache"))
