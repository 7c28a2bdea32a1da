"""Redis as the engine sees it: leased counters, payloads, and one error for everything that can go wrong."""

import math
import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, cast

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from versioned_cache import configuration
from versioned_cache.breaker import Breaker, CacheUnavailable, CommandRefused, unavailable
from versioned_cache.connection import ThreadConnections, answered_error, background, time_limit
from versioned_cache.identity import Identity, Proof, proof_of
from versioned_cache.keys import Resource, number_in, probe_key
from versioned_cache.refusals import NO_TEXT, Scope, code_of
from versioned_cache.servers import THE_ONLY_ONE, Servers, servers_of

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
# restarted server has not seen cannot be missing. `allow-oom`, since a full server that evicts nothing takes it then
# (Redis 7.0, Valkey): a counter is small, and a bump that is lost costs freshness (Note [Refused bumps]).
BUMP = """#!lua flags=allow-oom
local key, version, asked_at, lease = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
if clock[1] * 1000 + math.floor(clock[2] / 1000) - asked_at >= lease / 2 then
    return 0
end
local deadline = string.format('%.0f', asked_at + lease)
local is_lent = redis.call('PTTL', key) > 0
local held = is_lent and redis.call('TYPE', key).ok == 'string' and tonumber(redis.call('GET', key))
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

MOST_TRIES_FOR_A_SLOT = 100_000  # a node may have one slot of 16,384
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
        self._breaker = Breaker(lambda: background().submit(self.when_proof_is_due))
        self._connections = ThreadConnections()
        self._identity = Identity()
        self.when_proof_is_due: Callable[[], object] = self.prove
        """What is done now and then while the breaker is open, in a thread of its own."""

    # Bound at the first use and not at import, so that no socket is inherited over a fork; and before the clock
    # of an operation starts, since making a client takes longer than many operations.

    @cached_property
    def _servers(self) -> Servers:
        return servers_of(settings.CACHES[configuration.READS])

    @cached_property
    def _servers_for_bumps(self) -> Servers:
        return servers_of(settings.CACHES[configuration.BUMPS])

    @property
    def breaker(self) -> Breaker:
        """What this process has learned of Redis."""
        return self._breaker

    @property
    def generation(self) -> int:
        """How often this process has left the servers; see `Servers.generation`."""
        return self._servers.generation

    def server_of(self, resource: Resource) -> str:
        """Return the name of the server that has a resource's counter. Asks nobody."""
        if not self._servers.is_cluster:  # every read asks
            return THE_ONLY_ONE
        with self._told_apart(is_bump=False):
            return self._servers.server_of(resource.counter_key)

    def by_server(self, resources: Sequence[Resource]) -> list[list[Resource]]:
        """Part resources by the server that has their counters: a clock and a script belong together."""
        groups: dict[str, list[Resource]] = {}
        for resource in resources:
            groups.setdefault(self.server_of(resource), []).append(resource)
        return list(groups.values())

    def connect(self, server: str) -> Any:
        """Return a new connection of redis-py, connected; not to be called in an event loop."""
        with self._told_apart(is_bump=False):
            connection = self._servers.new_connection(server)
            connection.connect()
            return connection

    def counter(self, resource: Resource) -> int | None:
        """Return the leased copy of the resource's version; None where no lease runs, or what is there is no number."""
        servers, key = self._servers, resource.counter_key
        with self._guarded(configuration.READ_TIMEOUT_SECONDS):
            try:
                server = servers.server_of(key)
                return number_in(self._connections.get(key, server, servers.generation, servers.new_connection))
            except ResponseError as error:
                if code_of(str(error)) == NO_TEXT:
                    return None
                raise

    def clock_ms(self, resource: Resource, *, bypass_breaker: bool = False) -> int:
        """Return the time by the clock of the server of a resource, the only one that its lease is measured by."""
        key = resource.counter_key
        seconds, microseconds = self._run(key, lambda client: client.time(), bypass_breaker=bypass_breaker)
        return int(seconds) * 1000 + int(microseconds) // 1000

    def bump(self, versions: Mapping[Resource, int], asked_at_ms: int, *, bypass_breaker: bool = False) -> bool:
        """Bring the counters up to committed `versions`, and lease them until a lease after `asked_at_ms`.

        In one round trip (Note [Bumping]). Tells whether it came in time; else it must be tried again, with
        the time and the versions asked anew.

        Args:
            versions: As PostgreSQL told them after `asked_at_ms`, of resources of one server.
            asked_at_ms: What `clock_ms` of that server told before.
            bypass_breaker: Whether to try even while the breaker is open, and to wait for longer.
        """
        if not versions:
            return True

        def evaluate(client: Redis) -> bool:
            pipeline = client.pipeline(transaction=False)
            for resource, version in versions.items():
                pipeline.eval(BUMP, 1, resource.counter_key, version, asked_at_ms, configuration.lease_ms())
            return all(_results_of(pipeline))

        key = next(iter(versions)).counter_key
        return self._run(key, evaluate, bypass_breaker=bypass_breaker, proves=True)

    def payload(self, resource: Resource, version: int, fingerprint: str) -> bytes | None:
        """Return the stored body of `version`, or None.

        Raises:
            DamagedPayload: there is one, of another fingerprint or damaged.
        """
        key = resource.payload_key(version)
        stored = self._run(key, lambda client: cast("bytes | None", client.get(key)))
        return None if stored is None else _unwrapped(stored, fingerprint)

    def store_payload(self, resource: Resource, version: int, fingerprint: str, body: bytes) -> bool:
        """Store the body of `version` until it expires; tell whether it was small enough."""
        if len(body) > MAX_PAYLOAD_BYTES:
            return False
        spread = random.uniform(1 - PAYLOAD_TTL_JITTER, 1 + PAYLOAD_TTL_JITTER)  # noqa: S311  # no secret
        ttl_ms = int(PAYLOAD_TTL_SECONDS * 1000 * spread)
        key = resource.payload_key(version)
        self._run(key, lambda client: client.set(key, _wrapped(body, fingerprint), px=ttl_ms))
        return True

    def claim_fill(self, resource: Resource, version: int, fingerprint: str, seconds: float) -> bool:
        """Claim to be the one who builds this version, for at most `seconds`; tell whether nobody else does."""
        key = resource.fill_key(version, fingerprint)
        return self._run(key, lambda client: bool(client.set(key, 1, nx=True, px=int(seconds * 1000))))

    def release_fill(self, resource: Resource, version: int, fingerprint: str) -> None:
        """Give up the claim: the payload is there now, or will not be."""
        key = resource.fill_key(version, fingerprint)
        self._run(key, lambda client: client.delete(key))

    def lease_left_ms(self, resource: Resource) -> float | None:
        """Return for how long the counter will still be believed, or None where there is none.

        Infinity where somebody has taken its expiry away: such a counter is believed until the next bump.
        """
        left = self._run(resource.counter_key, lambda client: client.pttl(resource.counter_key))
        if left == NO_EXPIRY:
            return math.inf
        return left if left >= 0 else None

    def stored_payload(self, resource: Resource, version: int) -> StoredPayload | None:
        """Return what is stored under `version`, whatever its fingerprint, or None."""

        def get(client: Redis) -> StoredPayload | None:
            pipeline = client.pipeline(transaction=False)
            pipeline.get(resource.payload_key(version))
            pipeline.pttl(resource.payload_key(version))
            stored, left_ms = _results_of(pipeline)
            if stored is None:
                return None
            head, _, body = stored.partition(b"\n")
            age_ms = max(0, PAYLOAD_TTL_SECONDS * 1000 - left_ms)
            return StoredPayload(head.decode(errors="replace").split(" ")[0], body, age_ms)

        return self._run(resource.payload_key(version), get)

    def prove(self, before_trust: Callable[[], object] = lambda: None) -> None:
        """Return if every server takes a write, as a bump is one; Redis is trusted then (Note [Refused bumps]).

        Looks where Redis is at the moment, over fresh connections, and leaves those that lead elsewhere.

        Args:
            before_trust: What is to be done once the writes were taken, before anything is believed that is there.
        """
        try:
            with self._told_apart(is_bump=True):
                for servers in (self._servers, self._servers_for_bumps):
                    servers.look()
                proofs = {name: self._proof_of(servers, name) for name in servers.primaries()}
        except CacheUnavailable as error:
            self._breaker.learn(0.0, error, proves=True)
            raise
        if self._identity.has_changed({name: proof.identity for name, proof in proofs.items()}):
            self.renew()
        before_trust()
        self._breaker.learn(max(proof.seconds for proof in proofs.values()), proves=True)

    def renew(self) -> None:
        """Let no connection be used again that there is now."""
        self._servers.renew()
        self._servers_for_bumps.renew()

    def refused(self, text: str, *, is_bump: bool = False) -> CommandRefused:
        """Return what to raise for an error that a server answers with; other connections may lead elsewhere."""
        error = CommandRefused(code_of(text), text)
        if is_bump or error.refusal.scope is Scope.SERVER or error.code == "MOVED":
            self.renew()
        return error

    @staticmethod
    def _proof_of(servers: Servers, server: str) -> Proof:
        connection = servers.new_connection(server)
        try:
            connection.connect()
            with time_limit(configuration.BUMP_TIMEOUT_SECONDS):
                return proof_of(connection, _probe_key_of(servers, server), is_cluster=servers.is_cluster)
        finally:
            connection.disconnect()

    @contextmanager
    def _guarded(self, seconds: float, *, bypass_breaker: bool = False, proves: bool = False) -> Iterator[None]:
        """Run the block in a time limit, unless the breaker is open."""
        with (
            self._breaker.guard(bypass=bypass_breaker, proves=proves),
            self._told_apart(is_bump=proves),
            time_limit(seconds),
        ):
            yield

    @contextmanager
    def _told_apart(self, *, is_bump: bool) -> Iterator[None]:
        """Turn the errors of redis-py into the two that the engine knows."""
        try:
            yield
        except RedisError as error:
            if text := answered_error(error):
                raise self.refused(text, is_bump=is_bump) from error
            for servers in (self._servers, self._servers_for_bumps):
                servers.look_soon()
            raise unavailable(error) from error
        except (RedisClusterException, OSError, ValueError, TypeError) as error:
            raise unavailable(error) from error

    def _run(
        self,
        key: str,
        operation: Callable[[Redis], Result],
        *,
        bypass_breaker: bool = False,
        proves: bool = False,
    ) -> Result:
        """Run an operation on the server that has a key."""
        if bypass_breaker:
            servers, seconds = self._servers_for_bumps, configuration.BUMP_TIMEOUT_SECONDS
        else:
            servers, seconds = self._servers, configuration.READ_TIMEOUT_SECONDS
        with self._guarded(seconds, bypass_breaker=bypass_breaker, proves=proves):
            return operation(servers.client_of(servers.server_of(key)))


def _probe_key_of(servers: Servers, server: str) -> str:
    if not servers.is_cluster:
        return probe_key()
    keys = map(probe_key, range(MOST_TRIES_FOR_A_SLOT))
    return next(key for key in keys if servers.server_of(key) == server)


def _results_of(pipeline: Any) -> list[Any]:
    """Send a pipeline, and return its results; the first error is raised as the server told it."""
    results: list[Any] = pipeline.execute(raise_on_error=False)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def _wrapped(body: bytes, fingerprint: str) -> bytes:
    """Put the fingerprint and a checksum on a line before the body, which redis-cli then shows as it is."""
    return f"{fingerprint} {zlib.crc32(body):08x}\n".encode() + body


def _unwrapped(stored: bytes, fingerprint: str) -> bytes:
    head, _, body = stored.partition(b"\n")
    if head != f"{fingerprint} {zlib.crc32(body):08x}".encode():
        raise DamagedPayload(f"its first line is {head[:40]!r}")
    return body
