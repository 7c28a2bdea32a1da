"""The bookshop, and one answer more: which modules its process has loaded."""

import json
import sys
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from books.wsgi import application as bookshop


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request (PEP 3333)."""
    if environ["PATH_INFO"] != "/modules":
        return bookshop(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(sorted(sys.modules)).encode()]
