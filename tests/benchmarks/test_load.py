"""The load client, tried on a tiny server that sends the answers that a test gives it."""

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from benchmarks.load import BUFFER_BYTES, Connection, Load, LoadError, Target, request_bytes
from procedures_project.embedded import HOST

REQUEST = request_bytes("GET", "/procedures", "token")
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server that answers each request with the same pieces, sent one by one; return its port."""
    listeners = []

    def start_server(*pieces: bytes) -> int:
        listener = socket.create_server((HOST, 0))
        listeners.append(listener)
        threading.Thread(target=_accept, args=(listener, pieces), daemon=True).start()
        return int(listener.getsockname()[1])

    yield start_server
    for listener in listeners:
        listener.close()


def _accept(listener: socket.socket, pieces: tuple[bytes, ...]) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_answer, args=(client, pieces), daemon=True).start()


def _answer(client: socket.socket, pieces: tuple[bytes, ...]) -> None:
    with client, suppress(OSError):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while client.recv(65536):
            for piece in pieces:
                client.sendall(piece)


def exchange(port: int) -> tuple[int, bytes]:
    with Connection(HOST, port) as connection:
        answer = connection.exchange(REQUEST)
    return answer.status, answer.content


def test_an_answer_with_a_length_is_read(start: Start) -> None:
    assert exchange(start(HELLO)) == (200, b"hello")


def test_an_answer_in_pieces_is_read_to_the_last(start: Start) -> None:
    assert exchange(start(*(bytes([byte]) for byte in HELLO))) == (200, b"hello")


def test_chunks_are_joined_wherever_they_are_cut(start: Start) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"

    assert exchange(start(chunked)) == (200, b"hello")
    assert exchange(start(*(bytes([byte]) for byte in chunked))) == (200, b"hello")


def test_no_chunk_at_all_is_an_empty_body(start: Start) -> None:
    assert exchange(start(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")) == (200, b"")


def test_a_304_has_no_body_whatever_its_length_says(start: Start) -> None:
    assert exchange(start(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")) == (304, b"")


def test_a_body_larger_than_the_buffer_is_read(start: Start) -> None:
    body = b"x" * (3 * BUFFER_BYTES)

    assert exchange(start(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)) == (200, body)


def test_the_content_is_read_without_its_coding(start: Start) -> None:
    body = gzip.compress(b"hello")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"

    assert exchange(start(head.encode() + body)) == (200, b"hello")


def test_a_connection_serves_one_request_after_the_other(start: Start) -> None:
    with Connection(HOST, start(HELLO)) as connection:
        assert [connection.exchange(REQUEST).body for _ in range(3)] == [b"hello"] * 3


def test_a_rate_counts_the_answers_of_all_connections(start: Start) -> None:
    with Load(Target(HOST, start(HELLO), REQUEST), connections=4) as load:
        assert load.rate(0.1) > 10


def test_answers_that_are_under_way_at_the_deadline_count(start: Start) -> None:
    with Load(Target(HOST, start(HELLO), REQUEST), connections=1) as load:
        assert load.rate(0.0) > 0
        assert load.probe().body == b"hello"  # and leave nothing behind


def test_another_status_ends_the_measurement(start: Start) -> None:
    port = start(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")

    with Load(Target(HOST, port, REQUEST), connections=1) as load, pytest.raises(LoadError, match="503"):
        load.rate(0.1)


def test_a_server_that_hangs_up_is_noticed() -> None:
    listener = socket.create_server((HOST, 0))

    with listener, Connection(HOST, int(listener.getsockname()[1])) as connection:
        client, _ = listener.accept()
        connection.send(REQUEST)
        client.recv(65536)
        client.close()
        with pytest.raises(LoadError, match="hung up"):
            connection.receive()


def test_a_request_is_what_a_proxy_sends() -> None:
    request = request_bytes("POST", "/runs", "secret", {"If-Match": "*"}, {"procedure": "gibson"}).decode()

    head, _, body = request.partition("\r\n\r\n")
    assert head.startswith("POST /runs HTTP/1.1\r\nHost: ")
    assert {"Authorization: Bearer secret", "If-Match: *", f"Content-Length: {len(body)}"} <= set(head.split("\r\n"))
    assert body == '{"procedure": "gibson"}'
