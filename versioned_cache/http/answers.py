"""The answers to cached reads and to the writes behind them: bytes as they are stored, under their entity tags."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, NamedTuple

from django.db import connection
from django.http import HttpResponse
from rest_framework.exceptions import NotAcceptable
from rest_framework.request import Request

from versioned_cache.codings import Coding, preferred_coding
from versioned_cache.engine import Representation, cache
from versioned_cache.http.validators import etag, etag_of_304, known_versions, wants_nothing
from versioned_cache.keys import Resource
from versioned_cache.metrics import Source
from versioned_cache.reads import CachedRead
from versioned_cache.versions import committed_version, one_snapshot

CONTENT_TYPE = "application/json"
# Clients may keep a body but must ask before each use; to whom it was given, and in what form, is part of the question.
HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept, Accept-Encoding"}


class CachedReadMixin:
    """Answers the actions of a view set that are cached reads.

    A view set says which they are, and has no method for them:

        class BookViewSet(CachedReadMixin, ViewSet):
            cached_reads = {"list": read_book_list, "retrieve": read_book}

    One that has a method for such an action, before which it looks at the request, ends it with `answer_cached_read`.
    The fast path reads the same attribute, and answers ahead of the view set what the process has in memory. So a
    breakpoint here sees every read but those.
    """

    cached_reads: ClassVar[Mapping[str, CachedRead]] = {}
    """The cached read of each action that is one; the arguments of the path are the read's."""

    action: str

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Give the view set a method for each cached read that it has none for, so that routers find the action."""
        super().__init_subclass__(**arguments)
        own_classes = cls.__mro__[: cls.__mro__.index(CachedReadMixin)]
        for action in cls.cached_reads:
            if not any(action in vars(own_class) for own_class in own_classes):
                setattr(cls, action, CachedReadMixin.answer_cached_read)

    def answer_cached_read(self, request: Request, **path: object) -> HttpResponse:
        """Answer the present action with its cached read."""
        return read_response(request, self.cached_reads[self.action], **path)


class CachedReadResponse(HttpResponse):
    """The answer to a cached read, for middlewares that say where its body came from.

    Attributes:
        source: Where that was.
    """

    source: Source


class Head(NamedTuple):
    """What the head of an answer says, to whomever it is sent.

    Attributes:
        entity_tag: The tag of the version; None where nobody may keep the body.
        coding: The coding of the body; identity where there is none.
    """

    status: HTTPStatus
    entity_tag: str | None
    coding: Coding

    def headers(self) -> dict[str, str]:
        """Return the headers."""
        headers = {"Content-Type": CONTENT_TYPE, **HEADERS}
        if self.entity_tag is not None:
            headers["ETag"] = self.entity_tag
        if self.coding is not Coding.IDENTITY:
            headers["Content-Encoding"] = self.coding.value
        return headers


def read_response(request: Request, read: CachedRead, **path: object) -> CachedReadResponse:
    """Answer a cached read: 304 where the client has the current version, for which no body is looked for.

    Raises:
        NotAcceptable: the client excludes every coding.
    """
    coding = coding_for(request.META)
    if coding is None:
        raise NotAcceptable(f"Accept-Encoding must leave one of {', '.join(Coding)}.")
    representation = read(known_versions(request.META, read.fingerprint), **path)
    head = head_of(representation, request.META, coding)
    segments = () if head.status is HTTPStatus.NOT_MODIFIED else cache.coded(representation, coding)
    headers = head.headers() | {"Server-Timing": server_timing(representation)}
    response = CachedReadResponse(status=head.status, headers=headers)
    response.source = representation.source
    for segment in segments:  # which are passed on as they are: a list may be longer than anybody wants copied
        response.write(segment)
    response["Content-Length"] = str(sum(map(len, segments)))
    return response


def derived_response(
    request: Request, resource: Resource, fingerprint: str, fetch: Callable[[], bytes]
) -> HttpResponse:
    """Answer what is built from a resource for each request, and stored nowhere: under the resource's version.

    The version and the body are of one snapshot; a client that has the version gets 304, and nothing is built. Inside a
    transaction there is no tag, since what is read there may never be committed.

    Args:
        request: The request.
        resource: What the body is made from.
        fingerprint: The shape of the body.
        fetch: Builds the body from PostgreSQL; raises what is to be answered where there is no such thing.
    """
    started, may_be_kept = time.perf_counter(), not connection.in_atomic_block
    with one_snapshot():
        version = committed_version(resource) if may_be_kept else None
        body = None if version in known_versions(request.META, fingerprint) else fetch()
    seconds = time.perf_counter() - started
    representation = Representation(resource, fingerprint, version, body, Source.DATABASE, seconds)
    head = head_of(representation, request.META, Coding.IDENTITY)
    headers = head.headers() | {"Server-Timing": server_timing(representation)}
    return HttpResponse(b"" if head.status is HTTPStatus.NOT_MODIFIED else body, status=head.status, headers=headers)


def coding_for(meta: Mapping[str, Any]) -> Coding | None:
    """Return the coding that the client prefers, or None where it excludes every one."""
    return preferred_coding(meta.get("HTTP_ACCEPT_ENCODING"))


def head_of(representation: Representation, meta: Mapping[str, Any], coding: Coding) -> Head:
    """Return the head of the answer with a representation; 304 where the client has it already."""
    version, fingerprint = representation.version, representation.fingerprint
    if representation.content is None or wants_nothing(meta):
        tag = version and etag_of_304(meta, version, fingerprint, coding)
        return Head(HTTPStatus.NOT_MODIFIED, tag or None, Coding.IDENTITY)
    return Head(HTTPStatus.OK, etag(version, fingerprint, coding) if version else None, coding)


def server_timing(representation: Representation) -> str:
    """Tell where the body came from, and how long that took (W3C Server Timing)."""
    return f'cache;desc="{representation.source}";dur={representation.seconds * 1000:.3f}'
