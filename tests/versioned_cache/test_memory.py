"""What is held stays bounded, in the process and in Redis, however much is read and written."""

import os
from collections.abc import Callable

import pytest
from django.db import connection
from redis import Redis

from runs.caches import run_resource
from versioned_cache import memory as memory_module
from versioned_cache.engine import VersionedCache
from versioned_cache.memory import Memory

SHAPE = "0123abcd"
BODY = b"x" * 20_000
RUNS = int(os.environ.get("MEMORY_TEST_RUNS", "1000"))  # `make prove` says 10,000
ROOM = 4_000_000  # a fifth of what a thousand bodies need


def test_a_body_is_held_by_version_and_shape() -> None:
    memory = Memory()
    memory.put(run_resource("a"), 1, SHAPE, b"body")

    assert memory.get(run_resource("a"), 1, SHAPE) == b"body"
    assert memory.get(run_resource("a"), 2, SHAPE) is None
    assert memory.get(run_resource("a"), 1, "ffffffff") is None
    assert memory.get(run_resource("b"), 1, SHAPE) is None


def test_the_least_recently_used_body_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "MAX_BYTES", 10)
    memory = Memory()
    memory.put(run_resource("a"), 1, SHAPE, b"12345")
    memory.put(run_resource("b"), 1, SHAPE, b"12345")
    memory.get(run_resource("a"), 1, SHAPE)

    memory.put(run_resource("c"), 1, SHAPE, b"12345")

    held = [name for name in "abc" if memory.get(run_resource(name), 1, SHAPE)]
    assert held == ["a", "c"]


def test_a_body_larger_than_all_the_room_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "MAX_BYTES", 10)
    memory = Memory()

    memory.put(run_resource("a"), 1, SHAPE, b"x" * 11)

    assert memory.get(run_resource("a"), 1, SHAPE) is None


@pytest.mark.django_db(transaction=True)
def test_many_runs_leave_nothing_unbounded(
    process: Callable[[], VersionedCache], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_module, "MAX_BYTES", ROOM)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO resource_version SELECT 'procedures:run:' || number, 1 FROM generate_series(1, %s) AS number",
            [RUNS],
        )
    cache = process()

    for number in range(1, RUNS + 1):
        cache.read(run_resource(number), SHAPE, lambda: BODY)
        if number % 10 == 0:
            cache.invalidate([run_resource(number)])

    assert 0 < cache.memory_bytes <= ROOM
    for key in redis.scan_iter(count=1000):
        assert redis.pttl(key) != -1, f"{key!r} never expires"
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM resource_version WHERE resource ~ '^procedures:run:[0-9]+$'")
