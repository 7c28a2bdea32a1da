"""TLS in front of a server that has none, with handshakes that may be slow.

It runs as a process of its own, `python -m tests.faults.tls_front LISTEN_PORT UPSTREAM_PORT CERTIFICATE KEY SECONDS`,
and ends with its standard input. Clients need a certificate that the same key has signed if REQUIRE is the last
argument.
"""

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests import PROJECT_DIR
from tests.processes import free_port

HOST = "127.0.0.1"
CHUNK_BYTES = 65536


@contextlib.contextmanager
def tls_front(
    upstream_port: int,
    certificate: Path,
    key: Path,
    handshake_seconds: float = 0.0,
    *,
    asks_for_certificate: bool = False,
) -> Iterator[int]:
    """Run a front inside the block; yield its port."""
    port = free_port()
    argv = [str(port), str(upstream_port), str(certificate), str(key), str(handshake_seconds)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.tls_front", *argv, *(["REQUIRE"] if asks_for_certificate else [])],
        cwd=PROJECT_DIR,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listens\n"
    try:
        yield port
    finally:
        process.communicate()


def _serve(client: socket.socket, upstream_port: int, context: ssl.SSLContext, handshake_seconds: float) -> None:
    try:
        time.sleep(handshake_seconds)
        with (
            context.wrap_socket(client, server_side=True) as near,
            socket.create_connection((HOST, upstream_port)) as far,
        ):
            threading.Thread(target=_pump, args=(far, near), daemon=True).start()
            _pump(near, far)
    except OSError:
        pass  # whoever connected has gone, or is not welcome


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK_BYTES):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def _main(port: int, upstream_port: int, certificate: str, key: str, handshake_seconds: float, *more: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if more:
        context.load_verify_locations(certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server((HOST, port)) as listener:
        sys.stdout.write("listens\n")
        sys.stdout.flush()
        threading.Thread(
            target=_accept, args=(listener, upstream_port, context, handshake_seconds), daemon=True
        ).start()
        sys.stdin.read()


def _accept(listener: socket.socket, upstream_port: int, context: ssl.SSLContext, handshake_seconds: float) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            arguments = (client, upstream_port, context, handshake_seconds)
            threading.Thread(target=_serve, args=arguments, daemon=True).start()


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5]), *sys.argv[6:])
