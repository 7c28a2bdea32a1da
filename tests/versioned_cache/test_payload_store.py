"""Payloads and their indexes in a real Redis."""

from itertools import count, islice
from typing import Any, cast

import pytest
from redis import Redis

from procedures.caches import PROCEDURE_LIST
from versioned_cache import payload_store
from versioned_cache.payload_store import DamagedPayload, PayloadStore
from versioned_cache.store import Store

SHAPE = "0123abcd"


@pytest.fixture
def payloads(store: Store) -> PayloadStore:
    """The payloads, as a fresh process sees them."""
    return PayloadStore(store)


def test_a_payload_comes_back_as_it_was_stored(payloads: PayloadStore, redis: Redis) -> None:
    payloads.store_payload(PROCEDURE_LIST, 7, SHAPE, b'{"a":\n1}')

    assert payloads.body(payloads.look(PROCEDURE_LIST, 7, SHAPE)) == b'{"a":\n1}'
    assert 0 < redis.ttl(PROCEDURE_LIST.payload_key(7)) <= 330


def test_a_payload_reads_in_redis_cli_as_json_under_one_line(payloads: PayloadStore, redis: Redis) -> None:
    payloads.store_payload(PROCEDURE_LIST, 7, SHAPE, b"[]")

    stored = redis.get(PROCEDURE_LIST.payload_key(7))
    assert isinstance(stored, bytes)
    head, body = stored.split(b"\n")

    assert head.startswith(SHAPE.encode())
    assert body == b"[]"


@pytest.mark.parametrize(
    "stored", [b"[]", b"0123abcd 00000000\n[]", b"ffffffff 6f9c6b5f\n[]", b"\xff\xfe", b"0123abcd"]
)
def test_a_damaged_payload_is_refused(payloads: PayloadStore, redis: Redis, stored: bytes) -> None:
    redis.set(PROCEDURE_LIST.payload_key(7), stored)

    with pytest.raises(DamagedPayload):
        payloads.body(payloads.look(PROCEDURE_LIST, 7, SHAPE))


def test_a_payload_of_another_shape_is_refused(payloads: PayloadStore) -> None:
    payloads.store_payload(PROCEDURE_LIST, 7, SHAPE, b"[]")

    with pytest.raises(DamagedPayload):
        payloads.body(payloads.look(PROCEDURE_LIST, 7, "ffffffff"))


def test_a_payload_is_read_in_pieces(payloads: PayloadStore, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload_store, "PIECE_BYTES", 7)
    redis.config_resetstat()
    bodies = [b"x" * length for length in range(40)]  # of which some end where a piece ends

    for body in bodies:
        payloads.store_payload(PROCEDURE_LIST, 7, SHAPE, body)

        assert payloads.body(payloads.look(PROCEDURE_LIST, 7, SHAPE)) == body
    calls = redis.info("commandstats")
    assert "cmdstat_get" not in calls


def test_only_one_may_claim_a_build(payloads: PayloadStore, redis: Redis) -> None:
    looks = [payloads.look(PROCEDURE_LIST, 7, SHAPE, claim_seconds=2) for _ in range(3)]

    assert [look.is_claimed for look in looks] == [True, False, False]
    assert 0 < redis.pttl(PROCEDURE_LIST.claim_key(7, SHAPE)) <= 2_000


def test_a_look_claims_before_it_looks(payloads: PayloadStore, redis: Redis) -> None:
    """What a builder stores before it gives up its claim is found by whoever claims the build next."""
    payloads.store_payload(PROCEDURE_LIST, 7, SHAPE, b"[]")

    with cast(Any, redis).monitor() as monitor:
        look = payloads.look(PROCEDURE_LIST, 7, SHAPE, has_index=True, claim_seconds=2)
        sent = (monitor.next_command()["command"] for _ in count())
        commands = islice((command.split(" ")[0] for command in sent if PROCEDURE_LIST.name in command), 3)

        assert list(commands) == ["SET", "GETRANGE", "GETRANGE"]
    assert (look.is_claimed, payloads.body(look), payloads.items(look)) == (True, b"[]", None)
