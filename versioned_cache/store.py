"""Redis as the engine sees it: leased counters, claims, and one error for everything that can go wrong."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, TypeVar

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from versioned_cache import configuration
from versioned_cache.breaker import Breaker, CacheUnavailable, CommandRefused, unavailable
from versioned_cache.connection import ThreadConnections, answered_error, background, time_limit, without_errors
from versioned_cache.identity import Identity, Proof, proof_of
from versioned_cache.keys import Resource, number_in, probe_key
from versioned_cache.refusals import NO_TEXT, Scope, code_of
from versioned_cache.servers import THE_ONLY_ONE, Servers, servers_of

# Note [Bumping]
# One rule for all who bring a version from PostgreSQL, writers and readers: the counter never falls, it *lives at
# least until their deadline*, and those who took half a lease or more since they asked for the time are refused. So
# a counter that was bumped lives for more than half a lease, and nobody who selected an older version before that
# may still bring it when the counter is gone. What is older than the counter leaves its deadline alone, which is late
# enough for it; otherwise reads would keep alive what PostgreSQL has lost. INCR is what the specification asks for; a
# jump of more than one follows a lost bump. What has no expiry, or is not a number, was not put there by this rule, and
# is replaced: it would be believed for ever. One call a key, since the keys of a cluster live in different slots; EVAL,
# since a restarted server may not have the script yet. `allow-oom`, since a full server that evicts nothing then takes
# it (Redis 7.0, Valkey): a counter is small, and a lost bump costs freshness (Note [Refused bumps]).
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
elseif held > version then
    return 1
end
redis.call('PEXPIREAT', key, deadline, 'GT')
return 1
"""

LOOKS = frozenset({"GET", "GETRANGE"})
MOST_TRIES_FOR_A_SLOT = 100_000  # a node may have one slot of 16,384
NO_EXPIRY = -1  # what PTTL answers
PEEK_SECONDS = 0.5

Command = tuple[Any, ...]
"""A command's name, its key, and its other arguments."""

Result = TypeVar("Result")


class Store:
    """The counters and claims in Redis. Every method raises `CacheUnavailable` when Redis is unusable."""

    def __init__(self) -> None:
        self._breaker = Breaker(self._ask_for_proof)
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

    @cached_property
    def _servers_for_payloads(self) -> Servers:
        return servers_of(settings.CACHES[configuration.PAYLOADS])

    @property
    def _all_servers(self) -> tuple[Servers, ...]:
        """The same servers, over the connections for each purpose."""
        return self._servers, self._servers_for_bumps, self._servers_for_payloads

    @property
    def breaker(self) -> Breaker:
        """What this process has learned of Redis."""
        return self._breaker

    @property
    def generation(self) -> int:
        """How often this process has left the servers; see `Servers.generation`."""
        return self._servers.generation

    def server_of(self, key: str) -> str:
        """Return the name of the server that has a key. Asks nobody."""
        if not self._servers.is_cluster:  # every read asks
            return THE_ONLY_ONE
        with self._told_apart(is_bump=False):
            return self._servers.server_of(key)

    def primaries(self) -> list[str]:
        """Return the names of the servers that have counters; none while a cluster is not known. Asks nobody."""
        return self._servers.primaries()

    def by_server(self, resources: Sequence[Resource]) -> list[list[Resource]]:
        """Group resources by the server that has their counters: a bump uses the clock and the script of one server."""
        groups: dict[str, list[Resource]] = {}
        for resource in resources:
            groups.setdefault(self.server_of(resource.counter_key), []).append(resource)
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
        """Return the time by the clock of a resource's server, the only clock that its lease is measured by."""
        key = resource.counter_key
        seconds, microseconds = self.run(key, lambda client: client.time(), bypass_breaker=bypass_breaker)
        return int(seconds) * 1000 + int(microseconds) // 1000

    def bump(self, versions: Mapping[Resource, int], asked_at_ms: int, *, bypass_breaker: bool = False) -> bool:
        """Bring the counters up to committed `versions`, and lease them until a lease after `asked_at_ms`.

        In one round trip (Note [Bumping]). Tells whether it came in time; otherwise it must be tried again, with
        the time and the versions asked for anew.

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
            return all(results_of(pipeline))

        key = next(iter(versions)).counter_key
        return self.run(key, evaluate, bypass_breaker=bypass_breaker, proves=True)

    def renew_claim(self, resource: Resource, version: int, fingerprint: str, progress: str, seconds: float) -> None:
        """Renew the claim to the build for `seconds`, if it is still there, and report the build's progress."""
        key = resource.claim_key(version, fingerprint)
        self.run(key, lambda client: client.set(key, progress, xx=True, px=int(seconds * 1000)))

    def claim_progress(self, resource: Resource, version: int, fingerprint: str) -> str:
        """Return the progress that the claimant of the build reported last; empty where there is no claim."""
        (said,) = self.ask([("GET", resource.claim_key(version, fingerprint))])
        return (said or b"").decode(errors="replace")

    def release_claim(self, resource: Resource, version: int, fingerprint: str) -> None:
        """Give up the claim: the payload is there now, or will not be."""
        key = resource.claim_key(version, fingerprint)
        self.run(key, lambda client: client.delete(key))

    def lease_left_ms(self, resource: Resource) -> float | None:
        """Return for how long the counter will still be believed, or None where there is none.

        Infinity where somebody has taken its expiry away: such a counter is believed until the next bump.
        """
        return lease_in(self.run(resource.counter_key, lambda client: client.pttl(resource.counter_key)))

    def peek(self, commands: Sequence[Command]) -> list[Any]:
        """Return the answers to commands that read, whose second word is a key; None where it is of another type.

        For people who look: over connections of their own, and with more patience than a request has. The breaker
        learns nothing of it; while it is open, nothing is asked.
        """
        if self._breaker.is_open:
            raise CacheUnavailable("not asked, since it failed")

        def peek_at(server: str, group: Sequence[Command]) -> list[Any]:
            with self._told_apart(is_bump=False):
                return _peek_at(self.connect(server), group)

        return self._from_each_server(commands, peek_at)

    def prove(self, before_trust: Callable[[], object] = lambda: None) -> None:
        """Return if every server takes a write like that of a bump; Redis is trusted then (Note [Refused bumps]).

        Looks where Redis is at the moment, over fresh connections, and leaves connections that lead elsewhere.

        Args:
            before_trust: What is to be done once the writes were taken, before any counter there is believed.
        """
        try:
            with self._told_apart(is_bump=True):
                for servers in self._all_servers:
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
        """Never use any of the present connections again."""
        for servers in self._all_servers:
            servers.renew()

    def refused(self, text: str, *, is_bump: bool = False) -> CommandRefused:
        """Return what to raise for an error that a server answers with; other connections may lead elsewhere."""
        error = CommandRefused(code_of(text), text)
        if is_bump or error.refusal.scope is Scope.SERVER or error.code == "MOVED":
            self.renew()
        return error

    def _ask_for_proof(self) -> None:
        with suppress(RuntimeError):  # no thread is to be had; another time
            proving = background().submit(self.when_proof_is_due)
            proving.add_done_callback(Future.result)  # so that it is logged if that fails

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
    def _guarded(
        self, seconds: float, *, bypass_breaker: bool = False, proves: bool = False, extra_seconds: float = 0.0
    ) -> Iterator[None]:
        """Run the block in a time limit, unless the breaker is open."""
        with (
            self._breaker.guard(bypass=bypass_breaker, proves=proves, extra_seconds=extra_seconds),
            self._told_apart(is_bump=proves),
            time_limit(seconds + extra_seconds),
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
            for servers in self._all_servers:
                servers.look_soon()
            raise unavailable(error) from error
        except (RedisClusterException, OSError, ValueError, TypeError, RuntimeError) as error:  # the last: no thread
            raise unavailable(error) from error

    def ask(self, commands: Sequence[Command], *, size_bytes: int = 0) -> list[Any]:
        """Return the answers to commands: one round trip for each server that has some of their keys.

        A server carries its commands out in their order, and the server of an earlier command is asked earlier.

        Args:
            commands: The commands.
            size_bytes: How much they write; see `run`.
        """
        return self._from_each_server(
            commands, lambda _server, group: self._look(group) if _only_look(group) else self._write(group, size_bytes)
        )

    def _from_each_server(
        self, commands: Sequence[Command], ask: Callable[[str, Sequence[Command]], list[Any]]
    ) -> list[Any]:
        """Return the answers to commands, in their order; `ask` gets a server, and those that have their key there."""
        by_server: dict[str, list[int]] = {}
        for place, command in enumerate(commands):
            by_server.setdefault(self.server_of(command[1]), []).append(place)
        answers: list[Any] = [None] * len(commands)
        for server, places in by_server.items():
            found = ask(server, [commands[place] for place in places])
            for place, answer in zip(places, found, strict=True):
                answers[place] = answer
        return answers

    def _look(self, commands: Sequence[Command]) -> list[Any]:
        servers = self._servers
        with self._guarded(configuration.READ_TIMEOUT_SECONDS):
            server = servers.server_of(commands[0][1])
            return self._connections.look(commands, server, servers.generation, servers.new_connection)

    def _write(self, commands: Sequence[Command], size_bytes: int) -> list[Any]:
        return self.run(commands[0][1], lambda client: _answers_of(client, commands), size_bytes=size_bytes)

    def run(
        self,
        key: str,
        operation: Callable[[Redis], Result],
        *,
        bypass_breaker: bool = False,
        proves: bool = False,
        size_bytes: int = 0,
    ) -> Result:
        """Run an operation on the server that has a key.

        Args:
            key: The key.
            operation: What to do.
            bypass_breaker: Whether to try even while the breaker is open, and to wait for longer.
            proves: Whether it is a write that proves that Redis takes bumps.
            size_bytes: How much it writes, for which it gets more time (Note [Pieces]).
        """
        extra_seconds = size_bytes / configuration.SLOWEST_BYTES_PER_SECOND
        if bypass_breaker:
            servers, seconds = self._servers_for_bumps, configuration.BUMP_TIMEOUT_SECONDS
        elif size_bytes > configuration.LONG_BYTES:
            servers, seconds = self._servers_for_payloads, configuration.READ_TIMEOUT_SECONDS
        else:
            servers, seconds = self._servers, configuration.READ_TIMEOUT_SECONDS
        with self._guarded(seconds, bypass_breaker=bypass_breaker, proves=proves, extra_seconds=extra_seconds):
            return operation(servers.client_of(servers.server_of(key)))


def _peek_at(connection: Any, commands: Sequence[Command]) -> list[Any]:
    try:
        with time_limit(PEEK_SECONDS):
            connection.send_packed_command(connection.pack_commands(commands))
            return [_text_in_answer(connection) for _ in commands]
    finally:
        connection.disconnect()


def _text_in_answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        if code_of(str(error)) == NO_TEXT:
            return None
        raise


def _probe_key_of(servers: Servers, server: str) -> str:
    if not servers.is_cluster:
        return probe_key()
    keys = map(probe_key, range(MOST_TRIES_FOR_A_SLOT))
    return next(key for key in keys if servers.server_of(key) == server)


def lease_in(left_ms: int) -> float | None:
    """Return the lease that an answer to PTTL tells of: infinity where there is no expiry, None where nothing is."""
    if left_ms == NO_EXPIRY:
        return math.inf
    return left_ms if left_ms >= 0 else None


def _only_look(commands: Sequence[Command]) -> bool:
    return all(command[0] in LOOKS for command in commands)


def _answers_of(client: Any, commands: Sequence[Command]) -> list[Any]:
    if len(commands) == 1:  # a pipeline costs more
        return [client.execute_command(*commands[0])]
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    return results_of(pipeline)


def results_of(pipeline: Any) -> list[Any]:
    """Send a pipeline, and return its results; the first error is raised as the server told it."""
    return without_errors(pipeline.execute(raise_on_error=False))
