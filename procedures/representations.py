"""Cached representations over HTTP: bytes as they are stored, and what clients may do with them."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpResponse
from rest_framework.request import Request

from procedures.versioned_cache.engine import Representation
from rest.conditional import etag, holds_anything, versions_held

# Clients may keep a body but must ask before each use; to whom it was given, and in what form, is part of the question.
HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept, Accept-Encoding"}


def representation_response(
    request: Request, fingerprint: str, read: Callable[[frozenset[int]], Representation]
) -> HttpResponse:
    """Answer a cached read: 304 where the client holds the current version, for which no body is looked for."""
    representation = read(versions_held(request, fingerprint))
    headers = dict(HEADERS)
    if representation.version is not None:
        headers["ETag"] = etag(representation.version, fingerprint)
    if representation.body is None or holds_anything(request):
        return HttpResponse(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return HttpResponse(representation.body, "application/json", headers=headers)


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
