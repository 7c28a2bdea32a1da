"""Crowds of clients, in a process of their own: `python -m benchmarks.crowd KIND …` prints what became of them.

It says `in place` once all are there, and at the end what each client found, as JSON. The connections are sockets of an
event loop: a stream would read of its own accord, which a client that takes nothing must not.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from benchmarks.load import request_bytes
from procedures_project.embedded import HOST

LIST = "/procedures"
RECEIVE_BUFFER_BYTES = 4_096  # of a client that takes nothing: the smallest that Linux gives
ESTABLISHED = 1  # tcp_info's first byte (linux/tcp.h)
POLL_SECONDS = 5.0
DRIP_SECONDS = 1.0
SILENCE_SECONDS = 40.0  # the service bears with a client that takes nothing for 30
GIVE_UP_SECONDS = 120.0


async def pollers(port: int, token: str, count: int, seconds: float) -> dict[str, Any]:
    """Read the list every five seconds, each on its own kept connection, until the time is over."""
    statuses: Counter[int] = Counter()
    slowest = 0.0
    request = request_bytes("GET", LIST, token, {"Accept-Encoding": "gzip"})
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + seconds

    async def poll(number: int) -> None:
        nonlocal slowest
        await asyncio.sleep(POLL_SECONDS * number / count)
        reader, writer = await asyncio.open_connection(HOST, port)
        while loop.time() < ends_at:
            started = loop.time()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(length)
            statuses[int(head[9:12])] += 1
            slowest = max(slowest, loop.time() - started)
            await asyncio.sleep(max(0.0, started + POLL_SECONDS - loop.time()))
        writer.close()

    _in_place()
    ended = await asyncio.gather(*map(poll, range(count)), return_exceptions=True)
    errors = Counter(type(error).__name__ for error in ended if error is not None)
    return {"clients": count, "statuses": statuses, "errors": errors, "slowest_seconds": slowest}


async def slow_clients(port: int, token: str, count: int, _seconds: float) -> dict[str, Any]:
    """Send heads and bodies a byte a second, and take no answers; so many of each. Tell when each was closed."""
    head = b"GET /procedures HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
    body = request_bytes("POST", "/runs", token, {"Content-Type": "application/json", "Content-Length": "2000"})
    whole = request_bytes("GET", LIST, token)
    kinds: dict[str, Callable[[], Awaitable[float]]] = {
        "heads": lambda: _drip(port, head),
        "bodies": lambda: _drip(port, body),
        "takers": lambda: _take_nothing(port, whole),
    }
    clients = {name: [asyncio.create_task(_bounded(play())) for _ in range(count)] for name, play in kinds.items()}
    await asyncio.sleep(2 * DRIP_SECONDS)
    _in_place()
    closed = {name: sorted(await asyncio.gather(*tasks)) for name, tasks in clients.items()}
    return {name: {"clients": count, "closed_after": [times[0], times[-1]]} for name, times in closed.items()}


async def logins(port: int, _token: str, count: int, _seconds: float) -> dict[str, Any]:
    """Log in all at once with wrong passwords, each with another name."""
    origin = {"X-Forwarded-Proto": "https", "Origin": f"https://{HOST}:{port}"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", headers=origin, limits=limits, timeout=60) as client:
        page = await client.get("/admin/login/")
        csrf = page.cookies["csrftoken"]
        _in_place()

        async def log_in(number: int) -> int:
            form = {"username": f"nobody-{number}", "password": "wrong", "csrfmiddlewaretoken": csrf}
            answer = await client.post("/admin/login/", data=form, headers={"Cookie": f"csrftoken={csrf}"})
            return answer.status_code

        statuses = Counter(await asyncio.gather(*map(log_in, range(count))))
    return {"clients": count, "statuses": statuses}


async def _bounded(play: Awaitable[float]) -> float:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        return await play


async def _drip(port: int, start: bytes) -> float:
    """Send a start, and then a byte a second; return the seconds after which the server closed."""
    reader, writer = await asyncio.open_connection(HOST, port)
    started = time.monotonic()
    writer.write(start)
    closed = asyncio.ensure_future(reader.read())
    while not (await asyncio.wait([closed], timeout=DRIP_SECONDS))[0]:
        writer.write(b"x")
    writer.close()
    return time.monotonic() - started


async def _take_nothing(port: int, request: bytes) -> float:
    """Ask, and read nothing; return the seconds after which the server was found to have closed."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        client.setblocking(False)  # the standard library's
        await loop.sock_connect(client, (HOST, port))
        started = time.monotonic()
        await loop.sock_sendall(client, request)
        # A server that has given up says so only when it is spoken to.
        await asyncio.sleep(SILENCE_SECONDS)
        while client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED:
            with contextlib.suppress(ConnectionError):
                client.send(b"x")
            await asyncio.sleep(DRIP_SECONDS)
        return time.monotonic() - started


def _in_place() -> None:
    sys.stdout.write("in place\n")
    sys.stdout.flush()


KINDS = {"pollers": pollers, "slow": slow_clients, "logins": logins}


def main() -> None:
    """Play a crowd."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description=__doc__)
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.0)
    options = parser.parse_args()
    found = asyncio.run(KINDS[options.kind](options.port, options.token, options.count, options.seconds))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
