"""Cached reads that this process can answer at once, ahead of Django and REST framework.

Note [The fast path]. Most reads are alike: a program that sent the same plain request a second ago. Whether it may be
answered is known (who sends it, what they may read, that any JSON will do), and so is the answer; what Django
and REST framework do to find that out again takes longer than all the rest. Whatever is unusual in a request, or
not known, is left to the view set, which stays the only place that refuses anything: so every rule is written once,
and the worst that can happen here is to be slow.

What Django would say to such a request is asked of Django, and remembered: which view its path leads to, whether its
host and its scheme are allowed, and which headers its answer gets.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from rest_framework.settings import api_settings

from versioned_cache.codings import Coding
from versioned_cache.composition import Segments
from versioned_cache.http.answers import (
    CONTENT_TYPE,
    HEADERS,
    CachedReadMixin,
    Head,
    coding_for,
    head_of,
    server_timing,
)
from versioned_cache.http.validators import known_versions
from versioned_cache.keys import Resource
from versioned_cache.loop_reader import LoopReader
from versioned_cache.memory import segments_of
from versioned_cache.metrics import Source
from versioned_cache.reads import CachedRead

PLAIN_METHODS = frozenset({"GET", "HEAD"})
PLAIN_ACCEPT = frozenset({None, "*/*", "application/json"})

# What middlewares judge a request by, in its WSGI environment: its host, its scheme, and the origin of the page that
# sends it. The proxy's header comes to it.
ORIGIN = ("HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme", "HTTP_ORIGIN")
HEADERS_OF_THE_BODY = {"content-type", "content-length"}
MAX_PATH_LENGTH = 100  # no cached read's is longer; and so what is remembered is bounded
MAX_PATHS = 4_096
MAX_ORIGINS = 64
MAX_HEADS = 1_024

Meta = Mapping[str, Any]
"""A request's headers as WSGI has them (PEP 3333)."""


class Sender(Protocol):
    """Who sends a request."""

    def may_read(self, view_class: type) -> bool:
        """Tell whether the permission classes of all view sets would let them read from this one."""


SenderT = TypeVar("SenderT", bound=Sender)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a path leads to: a cached read.

    Attributes:
        read: The read.
        view_class: The view set that declares it.
        path: The arguments of the path.
        route: The pattern of the path.
        view_name: The pattern's name.
    """

    read: CachedRead
    view_class: type
    path: dict[str, object]
    route: str
    view_name: str

    @property
    def resource(self) -> Resource:
        """What is read there."""
        return self.read.kind(*self.path.values())

    def body_in(self, coding: Coding) -> "WantedBody":
        """Return what is read there, in a coding."""
        return WantedBody(self.resource, self.read.fingerprint, coding)


class FastAnswer(NamedTuple):
    """What to answer with, as ASGI has it.

    Attributes:
        headers: Their names in lower case.
        segments: The body in pieces.
        length: Of the body, in bytes.
        source: Where it came from.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    segments: Segments
    length: int
    source: Source

    @property
    def body(self) -> bytes:
        """The body in one piece."""
        return b"".join(self.segments)


class WantedBody(NamedTuple):
    """The body that a plain request asks for, whoever sends it.

    Attributes:
        resource: Whose.
        fingerprint: Its shape.
        coding: How it is to be coded.
    """

    resource: Resource
    fingerprint: str
    coding: Coding

    async def is_at_hand(self, meta: Meta, reader: LoopReader) -> bool:
        """Tell whether the process has it, or the client that sends these headers."""
        return await reader.has(self.resource, self.fingerprint, known_versions(meta, self.fingerprint), self.coding)


@dataclass(slots=True)
class FastRequest(Generic[SenderT]):
    """A request that may be answered ahead of Django, if the process has the body.

    Attributes:
        destination: Where it leads to.
        sender: Who sends it.
        coding: How the body is to be coded.
        headers: What Django's middlewares add to the answer.
    """

    destination: Destination
    sender: SenderT
    coding: Coding
    headers: tuple[tuple[str, str], ...]

    @property
    def wanted(self) -> WantedBody:
        """The body that it asks for."""
        return self.destination.body_in(self.coding)

    async def answer(self, meta: Meta, reader: LoopReader) -> FastAnswer | None:
        """Answer it; None where the process does not have the body."""
        read = self.destination.read
        known = known_versions(meta, read.fingerprint)
        representation = await reader.peek(self.destination.resource, read.fingerprint, known, self.coding)
        if representation is None:
            return None
        head = head_of(representation, meta, self.coding)
        content = None if head.status is HTTPStatus.NOT_MODIFIED else representation.content
        segments = () if content is None else segments_of(content)
        length = sum(map(len, segments))
        headers = _encoded_headers(head, length, self.headers)
        timing = (b"server-timing", server_timing(representation).encode())
        return FastAnswer(head.status.value, [*headers, timing], segments, length, representation.source)


class FastPath(Generic[SenderT]):
    """Recognises the requests that may be answered ahead of Django. Asks nobody but Django's own configuration.

    Args:
        identify: Returns who sends a request, given its headers, if that is known without asking anybody.
        middlewares: Those of the setting `MIDDLEWARE` that have a say in a cached read, in their order.
    """

    def __init__(self, identify: Callable[[Meta], SenderT | None], middlewares: Sequence[type[Any]]) -> None:
        self._identify = identify
        self._middlewares = middlewares
        self._destination_of = lru_cache(MAX_PATHS)(_destination_of)
        self._headers_for = lru_cache(MAX_ORIGINS)(self._ask_middlewares)
        self._origin = (*ORIGIN, *(settings.SECURE_PROXY_SSL_HEADER or ())[:1])

    @property
    def paths_remembered(self) -> int:
        """How many paths it knows the destination of."""
        return self._destination_of.cache_info().currsize

    def recognise(self, meta: Meta) -> FastRequest[SenderT] | None:
        """Return a request that may be answered ahead; None where its view set has to."""
        path = meta.get("PATH_INFO", "")
        if not is_plain(meta) or len(path) > MAX_PATH_LENGTH:
            return None
        sender = self._identify(meta)
        if sender is None:
            return None
        destination, coding = self._destination_of(path), coding_for(meta)
        headers = self._headers_for(*map(meta.get, self._origin))
        if destination is None or coding is None or headers is None or not sender.may_read(destination.view_class):
            return None
        return FastRequest(destination, sender, coding, headers)

    def wanted_by(self, meta: Meta) -> WantedBody | None:
        """Return the body that a plain request asks for, whoever sends it; None where that is no cached read."""
        path = meta.get("PATH_INFO", "")
        if not is_plain(meta) or len(path) > MAX_PATH_LENGTH:
            return None
        destination, coding = _destination_of(path), coding_for(meta)  # not remembered: anybody may send any path
        return None if destination is None or coding is None else destination.body_in(coding)

    def headers_for(self, meta: Meta) -> tuple[tuple[str, str], ...]:
        """Return the headers that the middlewares add to an answer to this request; none where they refuse it."""
        return self._headers_for(*map(meta.get, self._origin)) or ()

    def _ask_middlewares(self, *origin: str | None) -> tuple[tuple[str, str], ...] | None:
        """Return the headers that the middlewares add for this origin; None where they refuse it, or redirect."""
        environ = {name: value for name, value in zip(self._origin, origin, strict=True) if value is not None}
        request = WSGIRequest({**environ, "REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": BytesIO()})
        get_response: Callable[[HttpRequest], Any] = _blank
        for middleware in reversed(self._middlewares):
            get_response = middleware(get_response)
        try:
            response = get_response(request)
        except SuspiciousOperation:
            return None
        if response.status_code != HTTPStatus.OK:
            return None
        return tuple((name, value) for name, value in response.items() if name.lower() not in HEADERS_OF_THE_BODY)


def is_plain(meta: Meta) -> bool:
    """Tell whether a request asks for nothing but the body."""
    return (
        meta["REQUEST_METHOD"] in PLAIN_METHODS
        and not meta.get("QUERY_STRING")
        and meta.get("HTTP_ACCEPT") in PLAIN_ACCEPT
        and meta.get("CONTENT_LENGTH", "") in ("", "0")
        and "HTTP_TRANSFER_ENCODING" not in meta
    )


def cached_read_of(view: Any) -> CachedRead | None:
    """Return the cached read that a view's GET is, if nothing but the usual rules stands before it."""
    view_class = getattr(view, "cls", None)
    if not (isinstance(view_class, type) and issubclass(view_class, CachedReadMixin)) or not _has_the_usual_rules(view):
        return None
    return view_class.cached_reads.get(view.actions.get("get"))


@lru_cache(MAX_HEADS)
def _encoded_headers(head: Head, length: int, more: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    """Return the headers as ASGI has them; made once a version, a coding and an origin."""
    headers = {**head.headers(), **dict(more), "Content-Length": str(length)}
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def _destination_of(path: str) -> Destination | None:
    """Return where Django's resolver leads, if that is a cached read under the usual rules."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    view: Any = match.func
    read = cached_read_of(view)
    return None if read is None else Destination(read, view.cls, match.kwargs, match.route, match.view_name)


def _has_the_usual_rules(view: Any) -> bool:
    """Tell whether a view asks for what its project's views usually ask for, and for nothing else."""
    rules = ("authentication_classes", "permission_classes", "renderer_classes", "throttle_classes")
    return all(_attribute(view, rule) == getattr(api_settings, f"DEFAULT_{rule.upper()}") for rule in rules)


def _attribute(view: Any, name: str) -> Any:
    """Return an attribute of the view set, or what stands for it in `as_view`."""
    return view.initkwargs.get(name, getattr(view.cls, name))


def _blank(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(content_type=CONTENT_TYPE, headers=HEADERS)  # a middleware may add to `Vary`
