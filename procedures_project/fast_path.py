"""The fast path in front of Django, under WSGI: who may use it here, and the record of each request that does."""

from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import structlog
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware

from access.authentication import Bearer, remembered_bearer
from procedures_project.request_records import ID_HEADER, record_of
from versioned_cache.http.answers import Answer
from versioned_cache.http.fast_path import FastPath

logger = structlog.get_logger(__name__)

# Those of settings.MIDDLEWARE that have a say in a read by token, in their order.
MIDDLEWARES = (SecurityMiddleware, CommonMiddleware, XFrameOptionsMiddleware)
STATUS_LINES = {status: f"{status.value} {status.phrase}" for status in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED)}


class WithFastPath:
    """A WSGI application that answers on the fast path what it can, and leaves everything else to Django.

    Args:
        django: Django's application.
    """

    def __init__(self, django: WSGIApplication) -> None:
        self._django = django
        self.fast_path: FastPath[Bearer] = FastPath(remembered_bearer, MIDDLEWARES)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request (PEP 3333)."""
        try:
            answer = self._answer(environ)
        except Exception:  # whatever it is, Django answers, and answers for it
            logger.exception("fast_path_failed")
            answer = None
        if answer is None:
            return self._django(environ, start_response)
        start_response(STATUS_LINES[answer.status], list(answer.headers.items()))
        return [answer.body]

    def _answer(self, environ: WSGIEnvironment) -> Answer | None:
        request = self.fast_path.recognise(environ)
        if request is None:
            return None
        record = record_of(environ)
        answer = request.answer(environ)
        if answer is None:
            return None
        record.close(
            method=environ["REQUEST_METHOD"],
            route=request.destination.route,
            view=request.destination.view_name,
            status=answer.status.value,
            user_id=request.sender.user.pk,
        )
        answer.headers[ID_HEADER] = record.id
        return answer
