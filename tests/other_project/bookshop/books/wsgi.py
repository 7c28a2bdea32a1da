"""The bookshop as a server runs it: reads whose body the process has are answered ahead of Django."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.wsgi import get_wsgi_application

from versioned_cache.http.fast_path import FastPath


class Anybody:
    """Who sends a request: the bookshop does not mind."""

    def may_read(self, view_class: type) -> bool:
        """Let them."""
        return True


django = get_wsgi_application()
fast_path = FastPath(identify=lambda meta: Anybody(), middlewares=[])


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer a request (PEP 3333)."""
    request = fast_path.recognise(environ)
    answer = request.answer(environ) if request else None
    if answer is None:
        return django(environ, start_response)
    start_response(f"{answer.status.value} {answer.status.phrase}", list(answer.headers.items()))
    return [answer.body]
