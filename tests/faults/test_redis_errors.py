"""Whatever Redis answers, or fails to answer, a read is served from PostgreSQL and a write is recorded.

Each fault is a small server that speaks, or refuses to speak, Redis's protocol.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import REGISTRY
from pytest_django import Settings
from structlog.testing import capture_logs

from procedures.bodies import body_of_procedure
from procedures.caches import procedure_resource
from tests import factories
from tests.peeking import peek
from versioned_cache.configuration import redis_caches
from versioned_cache.engine import VersionedCache
from versioned_cache.metrics import Source
from versioned_cache.servers import servers_of
from versioned_cache.store import Store

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON = procedure_resource("gibson")
Conversation = Callable[[socket.socket], None]


def answer(reply: bytes) -> Conversation:
    """Answer every command with the same reply."""

    def converse(client: socket.socket) -> None:
        while client.recv(65536):
            client.sendall(reply)

    return converse


def hang(client: socket.socket) -> None:
    """Read, and never answer."""
    while client.recv(65536):
        pass


def reset(client: socket.socket) -> None:
    """Close the connection in the middle of an answer."""
    client.recv(65536)
    client.sendall(b"$100\r\nhalf")


def trickle(client: socket.socket) -> None:
    """Answer a byte at a time, each well within redis-py's own timeout."""
    client.recv(65536)
    for byte in b"$5000\r\n" + b"1" * 5000:
        client.sendall(bytes([byte]))
        time.sleep(0.01)


FAULTS: dict[str, Conversation] = {
    "READONLY": answer(b"-READONLY You can't write against a read only replica.\r\n"),
    "LOADING": answer(b"-LOADING Redis is loading the dataset in memory\r\n"),
    "OOM": answer(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
    "NOAUTH": answer(b"-NOAUTH Authentication required.\r\n"),
    "NOSCRIPT": answer(b"-NOSCRIPT No matching script.\r\n"),
    "max clients": answer(b"-ERR max number of clients reached\r\n"),
    "MOVED": answer(b"-MOVED 3999 127.0.0.1:6381\r\n"),
    "nonsense": answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "a text for a number": answer(b"$3\r\nabc\r\n"),
    "hang": hang,
    "reset": reset,
    "trickle": trickle,
}


@contextmanager
def server(converse: Conversation) -> Iterator[str]:
    """Run a server that handles each connection with this function; yield its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    clients: list[socket.socket] = []

    def serve(client: socket.socket) -> None:
        try:
            converse(client)
        except OSError:
            pass
        finally:
            client.close()

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            clients.append(client)
            threading.Thread(target=serve, args=[client], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    finally:
        listener.close()
        for client in clients:
            client.close()


@contextmanager
def redis_at(url: str, settings: Settings) -> Iterator[VersionedCache]:
    """Point the process at another Redis; yield a cache that has never seen one."""
    healthy = settings.CACHES
    settings.CACHES = redis_caches(url, client_name="test")
    try:
        yield VersionedCache(Store())
    finally:
        for entry in settings.CACHES.values():
            servers_of(entry).renew()
        settings.CACHES = healthy


def read(cache: VersionedCache) -> tuple[bytes | None, Source]:
    """Read the procedure."""
    representation = cache.read(GIBSON, "0123abcd", lambda: body_of_procedure("gibson") or b"")
    return representation.body, representation.source


@pytest.mark.parametrize("fault", FAULTS)
def test_reads_fall_back_to_postgresql(fault: str, settings: Settings, redis: object) -> None:
    factories.publish(factories.body("gibson", title="There"))

    with server(FAULTS[fault]) as url, redis_at(url, settings) as cache, capture_logs() as logs:
        body, source = read(cache)

    assert b'"There"' in (body or b"")
    assert source == Source.FALLBACK
    assert "procedure_cache_unavailable" in [log["event"] for log in logs]


def test_a_refused_connection_falls_back_too(settings: Settings, redis: object) -> None:
    factories.publish(factories.body("gibson"))
    with server(hang) as url:
        pass

    with redis_at(url, settings) as cache:
        _, source = read(cache)

    assert source == Source.FALLBACK


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bump_that_fails_is_logged_and_raises_nothing(fault: str, settings: Settings, redis: object) -> None:
    factories.publish(factories.body("gibson"))

    with server(FAULTS[fault]) as url, redis_at(url, settings) as cache, capture_logs() as logs:
        cache.invalidate([GIBSON])

    events = [log["event"] for log in logs]
    assert events.count("procedure_cache_invalidation_failed") == 1
    assert max(map(events.count, events)) == 1


@contextmanager
def counting(fault: str) -> Iterator[tuple[str, list[socket.socket]]]:
    """Run a server with the fault; yield its URL, and its connections so far."""
    connections: list[socket.socket] = []

    def converse(client: socket.socket) -> None:
        connections.append(client)
        FAULTS[fault](client)

    with server(converse) as url:
        yield url, connections


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_after_a_slow_failure_nobody_waits_again(fault: str, settings: Settings, redis: object) -> None:
    factories.publish(factories.body("gibson"))

    with counting(fault) as (url, connections), redis_at(url, settings) as cache:
        for _ in range(20):
            read(cache)

    # The first, and a probe a second may follow.
    assert len(connections) <= 3


@pytest.mark.parametrize("fault", ["hang", "trickle"])
def test_a_read_that_peeked_first_waits_once(fault: str, settings: Settings, redis: object) -> None:
    factories.publish(factories.body("gibson"))

    with counting(fault) as (url, connections), redis_at(url, settings) as cache:
        assert peek(cache, GIBSON, "0123abcd") is None
        read(cache)

    assert len(connections) == 1


@pytest.mark.parametrize("fault", ["hang", "READONLY"])
def test_a_failure_that_a_peek_met_is_counted_and_its_cause_is_named(
    fault: str, settings: Settings, redis: object
) -> None:
    factories.publish(factories.body("gibson"))
    before = failed_reads()

    with server(FAULTS[fault]) as url, redis_at(url, settings) as cache, capture_logs() as logs:
        assert peek(cache, GIBSON, "0123abcd", times=3) is None
        tried = failed_reads() - before
        read(cache)

    (warning,) = [log for log in logs if log["event"] == "procedure_cache_unavailable"]
    assert tried == 1  # an error that goes for everything is as good as a failure that made somebody wait
    assert "circuit breaker" not in warning["error"]
    assert {"hang": "not made in time", "READONLY": "READONLY: it is a replica"}[fault] in warning["error"]
    assert warning["reads"] == 1


def failed_reads() -> float:
    """Return how many reads of Redis have failed so far."""
    return REGISTRY.get_sample_value("backend_procedure_cache_errors_total", {"operation": "read"}) or 0
