"""Redis answers, but one byte at a time: neither a read nor a bump waits for the end."""

import socket
import time
from collections.abc import Callable

import pytest
from pytest_django import Settings

from tests import factories
from tests.faults.test_redis_errors import GIBSON, read, redis_at, server
from versioned_cache.engine import VersionedCache

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = b"$50\r\n" + b"1" * 50 + b"\r\n"
SECONDS_A_BYTE = 0.02  # far below any timeout of one read, but over a second for all bytes


@pytest.mark.parametrize("operation", [read, lambda cache: cache.invalidate([GIBSON])], ids=["read", "bump"])
def test_the_client_hangs_up_before_the_end(
    operation: Callable[[VersionedCache], object], settings: Settings, redis: object
) -> None:
    factories.publish(factories.body("gibson"))
    answered_to_the_end: list[socket.socket] = []

    def trickle(client: socket.socket) -> None:
        client.recv(65536)
        for byte in ANSWER:
            client.sendall(bytes([byte]))
            time.sleep(SECONDS_A_BYTE)
        answered_to_the_end.append(client)

    with server(trickle) as url, redis_at(url, settings) as cache:
        operation(cache)

    assert answered_to_the_end == []
