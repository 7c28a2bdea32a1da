"""The bookshop as a server runs it: reads whose body the process has are answered ahead of Django."""

from functools import cache as once
from io import BytesIO
from typing import Any

from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.db import connection

from versioned_cache.engine import cache
from versioned_cache.http.fast_path import FastPath
from versioned_cache.loop_reader import LoopReader


class Anybody:
    """Who sends a request: the bookshop does not mind."""

    def may_read(self, view_class: type) -> bool:
        """Let them."""
        return True


django = get_asgi_application()
fast_path = FastPath(identify=lambda meta: Anybody(), middlewares=[])


@once
def reader() -> LoopReader:
    """Return what reads for this process's event loop, which runs by then."""
    return LoopReader(cache, connection.get_connection_params())


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer a request (ASGI)."""
    meta = ASGIRequest(scope, BytesIO()).META
    request = fast_path.recognise(meta)
    answer = await request.answer(meta, reader()) if request else None
    if answer is None:
        await django(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})
