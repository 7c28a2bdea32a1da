"""Redis as the engine sees it: leased counters, payloads, and one error for everything that can go wrong."""

import math
import random
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

from django_redis import get_redis_connection
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from versioned_cache import configuration
from versioned_cache.breaker import Breaker, CacheUnavailable, CommandRefused
from versioned_cache.connection import ThreadConnection, new_connection, time_limit
from versioned_cache.keys import Resource, number_in

PAYLOAD_TTL_SECONDS = 300
PAYLOAD_TTL_JITTER = 0.1  # spreads the expiries of payloads that were stored together
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024

# Note [Bumping]
# One rule for all who bring a version from PostgreSQL, writers and readers: the counter never falls, it *lives at
# least until their deadline*, and whoever took longer than half a lease since they asked the time is refused. So
# a counter that was bumped lives for more than half a lease, and nobody who selected an older version before that
# may still bring it when the counter is gone. INCR is what the specification asks for; a jump of more than one
# follows a lost bump. What has no expiry, or is no number, was not put there by this rule, and is put right: it would
# be believed for ever. One call a key, since the keys of a cluster live in different slots; EVAL, since a script that a
# restarted server has not seen cannot be missing.
BUMP = """
local key, version, asked_at, lease = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
if clock[1] * 1000 + math.floor(clock[2] / 1000) - asked_at >= lease / 2 then
    return 0
end
local deadline = string.format('%.0f', asked_at + lease)
local is_lent = redis.call('PTTL', key) > 0
local held = is_lent and tonumber(redis.call('GET', key))
if not held then
    redis.call('SET', key, ARGV[1], 'PXAT', deadline)
    return 1
end
if held == version - 1 then
    redis.call('INCR', key)
elseif held < version then
    redis.call('SET', key, ARGV[1], 'KEEPTTL')
end
redis.call('PEXPIREAT', key, deadline, 'GT')
return 1
"""

PROBE_KEY = "versioned_cache:readiness"
PROBE_MS = 1  # gone at once: nothing is kept but counters and payloads
NO_EXPIRY = -1  # what PTTL answers

Result = TypeVar("Result")


class DamagedPayload(Exception):
    """The stored bytes are not what this code stored: another build's shape, or damaged. They count as absent."""


@dataclass(frozen=True, slots=True)
class StoredPayload:
    """A payload as it lies in Redis.

    Attributes:
        fingerprint: The shape that it says it has.
        body: The body.
        age_ms: How long it has been there, give or take the jitter of its expiry.
    """

    fingerprint: str
    body: bytes
    age_ms: int


class Store:
    """The counters and payloads in Redis. Every method raises `CacheUnavailable` when Redis is unusable."""

    def __init__(self) -> None:
        self._breaker = Breaker()

    # Bound at the first use and not at import, so that no socket is inherited over a fork; and before the clock
    # of an operation starts, since making a client takes longer than many operations.

    @cached_property
    def _client(self) -> Redis:
        return cast(Redis, get_redis_connection(configuration.READS))

    @cached_property
    def _client_for_bumps(self) -> Redis:
        return cast(Redis, get_redis_connection(configuration.BUMPS))

    @cached_property
    def _connection(self) -> ThreadConnection:
        return ThreadConnection(self._client)

    @property
    def breaker(self) -> Breaker:
        """What this process has learned of Redis."""
        return self._breaker

    def connect(self) -> Any:
        """Return a new connection of redis-py, connected; not to be called in an event loop."""
        connection = new_connection(self._client)
        with time_limit(configuration.READ_TIMEOUT_SECONDS):
            connection.connect()
        return connection

    def counter(self, resource: Resource) -> int | None:
        """Return the leased copy of the resource's version; None where no lease runs, or what is there is no number."""
        connection = self._connection
        return number_in(self._run(lambda _client: connection.get(resource.counter_key)))

    def clock_ms(self, *, bypass_breaker: bool = False) -> int:
        """Return the time by Redis's clock, the only one that leases are measured by."""
        seconds, microseconds = self._run(lambda client: client.time(), bypass_breaker=bypass_breaker)
        return int(seconds) * 1000 + int(microseconds) // 1000

    def bump(self, versions: Mapping[Resource, int], asked_at_ms: int, *, bypass_breaker: bool = False) -> bool:
        """Bring the counters up to committed `versions`, and lease them until a lease after `asked_at_ms`.

        In one round trip (Note [Bumping]). Tells whether it came in time; else it must be tried again, with
        the time and the versions asked anew.

        Args:
            versions: As PostgreSQL told them after `asked_at_ms`.
            asked_at_ms: What `clock_ms` told before.
            bypass_breaker: Whether to try even while the breaker is open, and to wait for longer.
        """

        def evaluate(client: Redis) -> bool:
            pipeline = client.pipeline(transaction=False)
            for resource, version in versions.items():
                pipeline.eval(BUMP, 1, resource.counter_key, version, asked_at_ms, configuration.lease_ms())
            return all(pipeline.execute())

        return self._run(evaluate, bypass_breaker=bypass_breaker)

    def payload(self, resource: Resource, version: int, fingerprint: str) -> bytes | None:
        """Return the stored body of `version`, or None.

        Raises:
            DamagedPayload: there is one, of another fingerprint or damaged.
        """
        stored = self._run(lambda client: cast("bytes | None", client.get(resource.payload_key(version))))
        return None if stored is None else _unwrapped(stored, fingerprint)

    def store_payload(self, resource: Resource, version: int, fingerprint: str, body: bytes) -> bool:
        """Store the body of `version` until it expires; tell whether it was small enough."""
        if len(body) > MAX_PAYLOAD_BYTES:
            return False
        spread = random.uniform(1 - PAYLOAD_TTL_JITTER, 1 + PAYLOAD_TTL_JITTER)  # noqa: S311  # no secret
        ttl_ms = int(PAYLOAD_TTL_SECONDS * 1000 * spread)
        self._run(lambda client: client.set(resource.payload_key(version), _wrapped(body, fingerprint), px=ttl_ms))
        return True

    def claim_fill(self, resource: Resource, version: int, fingerprint: str, seconds: float) -> bool:
        """Claim to be the one who builds this version, for at most `seconds`; tell whether nobody else does."""
        key = resource.fill_key(version, fingerprint)
        return self._run(lambda client: bool(client.set(key, 1, nx=True, px=int(seconds * 1000))))

    def release_fill(self, resource: Resource, version: int, fingerprint: str) -> None:
        """Give up the claim: the payload is there now, or will not be."""
        self._run(lambda client: client.delete(resource.fill_key(version, fingerprint)))

    def lease_left_ms(self, resource: Resource) -> float | None:
        """Return for how long the counter will still be believed, or None where there is none.

        Infinity where somebody has taken its expiry away: such a counter is believed until the next bump.
        """
        left = self._run(lambda client: client.pttl(resource.counter_key))
        if left == NO_EXPIRY:
            return math.inf
        return left if left >= 0 else None

    def stored_payload(self, resource: Resource, version: int) -> StoredPayload | None:
        """Return what is stored under `version`, whatever its fingerprint, or None."""

        def get(client: Redis) -> StoredPayload | None:
            pipeline = client.pipeline(transaction=False)
            pipeline.get(resource.payload_key(version))
            pipeline.pttl(resource.payload_key(version))
            stored, left_ms = pipeline.execute()
            if stored is None:
                return None
            head, _, body = stored.partition(b"\n")
            age_ms = max(0, PAYLOAD_TTL_SECONDS * 1000 - left_ms)
            return StoredPayload(head.decode(errors="replace").split(" ")[0], body, age_ms)

        return self._run(get)

    def try_to_write(self) -> None:
        """Return if Redis takes a write, as a bump is one."""
        probe: tuple[object, ...] = ("PSETEX", PROBE_KEY, PROBE_MS, 1)
        self._run(lambda client: cast(Any, client).execute_command(*probe), bypass_breaker=True)

    def _run(self, operation: Callable[[Redis], Result], *, bypass_breaker: bool = False) -> Result:
        """Run the operation unless the breaker is open; one that bypasses it serves as its probe."""
        if bypass_breaker:
            client, seconds = self._client_for_bumps, configuration.BUMP_TIMEOUT_SECONDS
        else:
            client, seconds = self._client, configuration.READ_TIMEOUT_SECONDS
        with self._breaker.guard(bypass=bypass_breaker), time_limit(seconds), _translated_errors():
            return operation(client)


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except ResponseError as error:
        raise CommandRefused(f"{type(error).__name__}: {error}") from error
    except (RedisError, OSError, ValueError, TypeError) as error:
        raise CacheUnavailable(f"{type(error).__name__}: {error}") from error


def _wrapped(body: bytes, fingerprint: str) -> bytes:
    """Put the fingerprint and a checksum on a line before the body, which redis-cli then shows as it is."""
    return f"{fingerprint} {zlib.crc32(body):08x}\n".encode() + body


def _unwrapped(stored: bytes, fingerprint: str) -> bytes:
    head, _, body = stored.partition(b"\n")
    if head != f"{fingerprint} {zlib.crc32(body):08x}".encode():
        raise DamagedPayload(f"its first line is {head[:40]!r}")
    return body
