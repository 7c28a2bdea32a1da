"""Cached representations over HTTP: bytes as they are stored, and what clients may do with them."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request

from procedures.versioned_cache.engine import Representation, cache
from procedures.versioned_cache.reads import CachedRead
from rest.codings import Coding, preferred_coding
from rest.conditional import etag, etag_held, holds_anything, versions_held
from rest.problems import Problem

# Clients may keep a body but must ask before each use; to whom it was given, and in what form, is part of the question.
HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept, Accept-Encoding"}


class NoAcceptableCoding(Problem):
    """The client takes the body neither as it is nor compressed."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.NOT_ACCEPTABLE,
            "not-acceptable",
            "No acceptable content coding",
            f"Accept-Encoding must leave one of {', '.join(Coding)}.",
        )


def representation_response(request: Request, read: CachedRead, **path: object) -> HttpResponse:
    """Answer a cached read: 304 where the client holds the current version, for which no body is looked for.

    Raises:
        NoAcceptableCoding: the client excludes every coding.
    """
    coding = coding_for(request)
    if coding is None:
        raise NoAcceptableCoding
    return response_of(read(versions_held(request, read.fingerprint), **path), request, coding)


def coding_for(request: HttpRequest | Request) -> Coding | None:
    """Return the coding that the client prefers, or None."""
    return preferred_coding(request.META.get("HTTP_ACCEPT_ENCODING"))


def response_of(representation: Representation, request: HttpRequest | Request, coding: Coding) -> HttpResponse:
    """Answer with a representation, or tell that the client holds it already."""
    headers = {**HEADERS, "Server-Timing": _server_timing(representation)}
    version, fingerprint = representation.version, representation.fingerprint
    if representation.body is None or holds_anything(request):
        if version is not None:
            headers["ETag"] = etag_held(request, version, fingerprint, coding)
        return HttpResponse(status=HTTPStatus.NOT_MODIFIED, content_type="application/json", headers=headers)
    if version is not None:
        headers["ETag"] = etag(version, fingerprint, coding)
    if coding is Coding.IDENTITY:
        return HttpResponse(representation.body, "application/json", headers=headers)
    headers["Content-Encoding"] = coding.value
    return HttpResponse(cache.compressed(representation), "application/json", headers=headers)


def written_response(
    body: bytes, fingerprint: str, version: int | None, status: HTTPStatus = HTTPStatus.OK, location: str = ""
) -> HttpResponse:
    """Answer a write with what it made, under exactly the version that it made."""
    headers = {"Cache-Control": HEADERS["Cache-Control"]}
    if version is not None:
        headers["ETag"] = etag(version, fingerprint)
    if location:
        headers["Location"] = location
    return HttpResponse(body, "application/json", status, headers=headers)


def _server_timing(representation: Representation) -> str:
    """Tell where the body came from, and how long that took (W3C Server Timing)."""
    return f'cache;desc="{representation.source}";dur={representation.seconds * 1000:.3f}'
