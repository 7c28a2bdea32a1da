"""The bookshop, and one answer more: which modules its process has loaded."""

import json
import sys
from typing import Any

from books.asgi import application as bookshop


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer a request (ASGI)."""
    if scope["path"] != "/modules":
        await bookshop(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(sorted(sys.modules)).encode()})
