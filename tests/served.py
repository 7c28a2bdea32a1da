"""The whole application as a server calls it, for tests in the same process: the gate in its own event loop."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any, TypeVar
from urllib.parse import quote

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse

from tests.conftest import ApiClient

Result = TypeVar("Result")
PATIENCE_SECONDS = 30


class Served:
    """A running ASGI application.

    Args:
        application: The application.
    """

    def __init__(self, application: Any) -> None:
        self.application = application
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._events: asyncio.Queue[str] = asyncio.Queue()
        self._living: Any = None

    def start(self) -> None:
        """Start it, and wait until it has started."""
        self._thread.start()
        started = threading.Event()

        async def live() -> None:
            async def receive() -> dict[str, str]:
                return {"type": await self._events.get()}

            async def send(message: Any) -> None:
                if message["type"] == "lifespan.startup.complete":
                    started.set()

            await self.application({"type": "lifespan"}, receive, send)

        self._living = asyncio.run_coroutine_threadsafe(live(), self._loop)
        self._say("lifespan.startup")
        assert started.wait(PATIENCE_SECONDS), self._living.exception(0)

    def stop(self) -> None:
        """Stop it, and wait until it has stopped."""
        self._say("lifespan.shutdown")
        self._living.result(PATIENCE_SECONDS)
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run something in the application's event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_SECONDS)

    def answer(self, environ: dict[str, Any]) -> HttpResponse:
        """Answer a request as Django's test client makes it."""
        return self.run(self._answer(environ, environ["wsgi.input"].read()))

    def answer_to(self, scope: dict[str, Any], *body: dict[str, Any]) -> HttpResponse:
        """Answer a request whose body comes in these messages, the last of them again and again (ASGI)."""
        return self.run(self._exchange(scope, *body))

    async def _answer(self, environ: dict[str, Any], body: bytes) -> HttpResponse:
        return await self._exchange(scope_of(environ), piece(body, more=False))

    async def _exchange(self, scope: dict[str, Any], *body: dict[str, Any]) -> HttpResponse:
        sent: list[dict[str, Any]] = []
        messages = chain(body, repeat(body[-1]))

        async def receive() -> dict[str, Any]:
            message = next(messages)
            await asyncio.sleep(message.get("delay", 0))
            return message

        async def send(message: Any) -> None:
            sent.append(message)

        await self.application(scope, receive, send)
        (start, *pieces) = sent
        headers = {name.decode("latin-1").title(): value.decode("latin-1") for name, value in start["headers"]}
        assert len(headers) == len(start["headers"]), "a header stands there twice"
        return HttpResponse(b"".join(piece["body"] for piece in pieces), status=start["status"], headers=headers)

    def _say(self, event: str) -> None:
        self._loop.call_soon_threadsafe(self._events.put_nowait, event)


def piece(body: bytes, *, more: bool = True, delay: float = 0) -> dict[str, Any]:
    """Return a piece of a body as ASGI has it, which arrives `delay` seconds after the one before."""
    return {"type": "http.request", "body": body, "more_body": more, "delay": delay}


@contextmanager
def served(application: Any) -> Iterator[Served]:
    """Run an application while the block runs."""
    running = Served(application)
    running.start()
    try:
        yield running
    finally:
        running.stop()


class ServedClient(ApiClient):
    """A client with the token of another, whose requests go to the gate instead of Django."""

    def __init__(self, client: ApiClient, application: Served) -> None:
        super().__init__(None)
        self.defaults |= client.defaults
        self.application = application
        self.handler: Any = self._serve

    def _serve(self, environ: dict[str, Any]) -> HttpResponse:
        response: Any = self.application.answer(environ)
        response.wsgi_request = WSGIRequest(environ)
        return response  # type: ignore[no-any-return]


def scope_of(environ: dict[str, Any]) -> dict[str, Any]:
    """Return a request that Django's test client made, as ASGI has it."""
    names = {
        name: name[5:].replace("_", "-").lower() if name.startswith("HTTP_") else name.replace("_", "-").lower()
        for name in environ
        if name.startswith("HTTP_") or name in {"CONTENT_TYPE", "CONTENT_LENGTH"}
    }
    return {
        "type": "http",
        "http_version": "1.1",
        "method": environ["REQUEST_METHOD"],
        "scheme": environ["wsgi.url_scheme"],
        "path": environ["PATH_INFO"],
        "raw_path": quote(environ["PATH_INFO"].encode("latin-1")).encode(),
        "query_string": environ["QUERY_STRING"].encode("latin-1"),
        "headers": [
            (header.encode(), str(environ[name]).encode("latin-1")) for name, header in names.items() if environ[name]
        ],
        "client": (environ["REMOTE_ADDR"], 12345),
        "server": (environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
    }
