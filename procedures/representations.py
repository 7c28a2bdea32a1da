"""Cached representations over HTTP: bytes as they are stored, and what clients may do with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from rest.codings import Coding, preferred_coding
from rest.conditional import etag, etag_held, holds_anything, versions_held
from rest.problems import NOT_ACCEPTABLE
from versioned_cache.engine import Representation, cache
from versioned_cache.reads import CachedRead

CONTENT_TYPE = "application/json"
# Clients may keep a body but must ask before each use; to whom it was given, and in what form, is part of the question.
HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept, Accept-Encoding"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What to answer a cached read with, whoever sends it."""

    status: HTTPStatus
    headers: dict[str, str]
    body: bytes


def representation_response(request: Request, read: CachedRead, **path: object) -> HttpResponse:
    """Answer a cached read: 304 where the client holds the current version, for which no body is looked for.

    Raises:
        NOT_ACCEPTABLE: the client excludes every coding.
    """
    coding = coding_for(request.META)
    if coding is None:
        raise NOT_ACCEPTABLE(f"Accept-Encoding must leave one of {', '.join(Coding)}.")
    answer = answer_of(read(versions_held(request.META, read.fingerprint), **path), request.META, coding)
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)


def coding_for(meta: Mapping[str, Any]) -> Coding | None:
    """Return the coding that the client prefers, or None."""
    return preferred_coding(meta.get("HTTP_ACCEPT_ENCODING"))


def answer_of(representation: Representation, meta: Mapping[str, Any], coding: Coding) -> Answer:
    """Answer with a representation, or tell that the client holds it already."""
    headers = {"Content-Type": CONTENT_TYPE, **HEADERS, "Server-Timing": _server_timing(representation)}
    version, fingerprint = representation.version, representation.fingerprint
    if representation.body is None or holds_anything(meta):
        if version is not None:
            headers["ETag"] = etag_held(meta, version, fingerprint, coding)
        return Answer(HTTPStatus.NOT_MODIFIED, headers, b"")
    if version is not None:
        headers["ETag"] = etag(version, fingerprint, coding)
    if coding is Coding.IDENTITY:
        return Answer(HTTPStatus.OK, headers, representation.body)
    headers["Content-Encoding"] = coding.value
    return Answer(HTTPStatus.OK, headers, cache.compressed(representation))


def written_response(
    body: bytes, fingerprint: str, version: int | None, status: HTTPStatus = HTTPStatus.OK, location: str = ""
) -> HttpResponse:
    """Answer a write with what it made, under exactly the version that it made."""
    headers = {"Cache-Control": HEADERS["Cache-Control"]}
    if version is not None:
        headers["ETag"] = etag(version, fingerprint)
    if location:
        headers["Location"] = location
    return HttpResponse(body, CONTENT_TYPE, status, headers=headers)


def _server_timing(representation: Representation) -> str:
    """Tell where the body came from, and how long that took (W3C Server Timing)."""
    return f'cache;desc="{representation.source}";dur={representation.seconds * 1000:.3f}'
