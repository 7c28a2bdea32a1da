"""The whole WSGI application as a server calls it, for tests in its process."""

from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse

from tests.conftest import ApiClient


class Head:
    """What a server keeps of an answer's head (`start_response` of PEP 3333)."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}

    def __call__(self, status: str, headers: list[tuple[str, str]], _error: Any = None, /) -> Callable[[bytes], object]:
        """Keep the head."""
        self.status = int(status.split(maxsplit=1)[0])
        self.headers = dict(headers)
        assert len(self.headers) == len(headers), "a header stands there twice"
        return _refuse

    def response(self, body: bytes) -> HttpResponse:
        """Return the answer as Django's test client wants it."""
        return HttpResponse(body, status=self.status, headers=self.headers)


class ServedClient(ApiClient):
    """A client like another, with the same token, whose requests do not go to Django but to the WSGI application."""

    def __init__(self, client: ApiClient, application: WSGIApplication | None = None) -> None:
        super().__init__(None)
        self.defaults |= client.defaults
        self._application = application or _application()
        self.handler: Any = self._serve

    def _serve(self, environ: WSGIEnvironment) -> HttpResponse:
        head = Head()
        body = b"".join(self._application(environ, head))
        response: Any = head.response(body)
        response.wsgi_request = WSGIRequest(environ)
        return response  # type: ignore[no-any-return]


def _application() -> WSGIApplication:
    from procedures_project.wsgi import application  # noqa: PLC0415  # made at the first use, with the tests' settings

    return application


def _refuse(_data: bytes) -> object:
    raise NotImplementedError("Nobody writes a body that way any more.")
