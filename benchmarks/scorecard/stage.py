"""Where a contestant plays: three processes of its own, and what they are directed with.

The *writer* writes, on a way to Redis of its own; the *slow* reader can be stopped in the middle of a read;
the *observer* only reads. What the readers show is held against the last write that was committed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from redis import Redis

from benchmarks.scorecard.actors import ANSWER_SECONDS, Actor
from benchmarks.scorecard.contestants import Contestant
from benchmarks.scorecard.player import KEY, TABLE, Message, Stop, Way, tag_of
from benchmarks.scorecard.servers import Servers, environment_of
from benchmarks.scorecard.sightings import ACKNOWLEDGED, KILLED, Look, Sighting, Written, sighting_of
from procedures_project.embedded import HOST

POLL_SECONDS = 0.02


class Stage:
    """One contestant's processes, and what they are directed with."""

    def __init__(self, contestant: Contestant, servers: Servers, token: str, lease_ms: int, patience: float) -> None:
        self.contestant = contestant
        self.servers = servers
        self.redis = Redis(HOST, servers.valkey.port, contestant.redis_database, socket_timeout=5)
        self.number = 0  # of the last write
        self.key_count = 0  # when one was last evicted
        self._token = token
        self._patience = patience
        self._lease_ms = lease_ms
        self.writer = self._actor("writer", servers.redis_url_of_writer)
        self.slow = self._actor("slow", servers.redis_url)
        self.observer = self._actor("observer", servers.redis_url)

    # Before a scenario

    def set(self) -> None:
        """Begin anew: something is written, and no cache knows of it."""
        for actor in (self.writer, self.slow, self.observer):
            actor.wait_until_ready()
        self.number += 1
        self.sql(self.number)
        self.redis.flushall()

    def warm_up(self) -> None:
        """Let both readers read twice, so that whatever can be cached is cached."""
        for _ in range(2):
            for reader in (self.slow, self.observer):
                self.read(reader)

    def evict(self, index: int) -> None:
        """Delete one of the keys, if there are so many, as Redis does when memory is short."""
        names: Any = self.redis.keys()
        self.key_count = len(names)
        for name in sorted(names)[index : index + 1]:
            self.redis.delete(name)

    # What the actors do

    def read(self, reader: Actor) -> Message:
        """Let a reader read, and return what it was shown."""
        reader.begin_read()
        return reader.answer()

    def begin_write(self, way: Way, stop: Stop | None = None) -> float:
        """Let the writer write the next number, and return when that began."""
        self.number += 1
        began = time.monotonic()
        self.writer.begin_write(way, self.number, stop)
        return began

    def finish_write(self, began: float, seconds: float = ANSWER_SECONDS) -> Written:
        """Wait for the answer to the write."""
        message = self.writer.answer(seconds)
        ended = time.monotonic()
        return Written(ended, message.get("error", ACKNOWLEDGED), ended - began)

    def write(self, way: Way) -> Written:
        """Let the writer write the next number from beginning to end."""
        return self.finish_write(self.begin_write(way))

    def kill_writer(self, began: float) -> Written:
        """Kill the writer where it stands; another takes its place."""
        self.writer.kill()
        killed = time.monotonic()
        self.writer = self._actor("writer", self.servers.redis_url_of_writer)
        return Written(killed, KILLED, killed - began)

    def write_with_psql(self) -> Written:
        """Write the next number past the service, on a connection of nobody's."""
        began = time.monotonic()
        self.number += 1
        self.sql(self.number)
        ended = time.monotonic()
        return Written(ended, ACKNOWLEDGED, ended - began)

    def sql(self, number: int) -> None:
        """Write a number past the service."""
        with psycopg.connect(self.servers.database_url, autocommit=True) as connection:
            statement = f"UPDATE {TABLE} SET tags = %s WHERE key = %s"  # noqa: S608
            connection.execute(statement, ([tag_of(number)], KEY))

    # What comes of it

    def watch(self, written: Written, quiet_leases: float = 1.5) -> Sighting:
        """Let the readers read until they have been shown the write for some leases, or patience ends."""
        is_committed = self._is_committed()
        looks = list(self._looks_after(written, quiet_leases)) if is_committed else []
        return sighting_of(written, looks, is_committed=is_committed)

    def close(self) -> None:
        """End the actors."""
        for actor in (self.writer, self.slow, self.observer):
            actor.kill()
        self.redis.close()

    def _looks_after(self, written: Written, quiet_leases: float) -> Iterator[Look]:
        quiet_seconds = quiet_leases * self._lease_ms / 1000
        now = quiet_since = time.monotonic()
        while now - quiet_since < quiet_seconds and now - written.at < self._patience:
            for reader in (self.observer, self.slow):
                look = self._look(reader, written)
                if look.is_stale:
                    quiet_since = time.monotonic()
                yield look
            time.sleep(POLL_SECONDS)
            now = time.monotonic()

    def _look(self, reader: Actor, written: Written) -> Look:
        began_after = time.monotonic() - written.at
        shown = self.read(reader)
        return Look(began_after, is_stale=shown.get("number", self.number) < self.number, error=shown.get("error"))

    def _is_committed(self) -> bool:
        with psycopg.connect(self.servers.database_url) as connection:
            row: Any = connection.execute(f"SELECT tags FROM {TABLE} WHERE key = %s", (KEY,)).fetchone()  # noqa: S608
            return bool(row[0] == [tag_of(self.number)])

    def _actor(self, role: str, redis_url: str) -> Actor:
        log_path = self.servers.folder / f"{self.contestant.slug}-{role}.log"
        environment = environment_of(self.contestant, self.servers, redis_url, self._lease_ms)
        return Actor(self.contestant, self._token, environment, log_path)


@contextmanager
def set_stage(
    contestant: Contestant, servers: Servers, token: str, *, lease_ms: int, patience: float
) -> Iterator[Stage]:
    """Let a contestant play inside the block. To be called from the main thread."""
    stage = Stage(contestant, servers, token, lease_ms, patience)
    try:
        yield stage
    finally:
        stage.close()
