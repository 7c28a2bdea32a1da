"""What every request that reaches Django gets, and what only pages get."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from procedures_project.request_records import ID_HEADER, record_of

PAGES = "/admin/"


class RequestRecordMiddleware:
    """Keeps the record of each request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        record = record_of(request.META)
        response = self.get_response(request)
        response[ID_HEADER] = record.id
        match = request.resolver_match
        record.close(
            method=request.method,
            route=match.route if match else None,
            view=match.view_name if match else None,
            status=response.status_code,
            user_id=getattr(getattr(request, "user", None), "pk", None),
        )
        return response


class OnlyForPages(MiddlewareMixin):
    """Lets a middleware of Django pass requests of the API by: they have neither session nor messages."""

    def __call__(self, request: HttpRequest) -> Any:
        return super().__call__(request) if request.path.startswith(PAGES) else self.get_response(request)


class PageSessionMiddleware(OnlyForPages, SessionMiddleware):
    """Sessions, for pages."""


class PageAuthenticationMiddleware(OnlyForPages, AuthenticationMiddleware):
    """Users who logged in, for pages; the API's bring tokens."""


class PageMessageMiddleware(OnlyForPages, MessageMiddleware):
    """Messages, for pages."""
