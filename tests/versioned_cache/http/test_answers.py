"""A view set that declares its cached reads answers them, and has no other action than it says."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIRequestFactory
from rest_framework.viewsets import ReadOnlyModelViewSet, ViewSet

from versioned_cache.http.answers import CachedReadMixin
from versioned_cache.keys import ResourceKind
from versioned_cache.reads import CachedRead

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]

# Labels of this project, so that no metric gets children that it does not have.
read_book_list = CachedRead(ResourceKind("list", "books:list"), lambda: b'["dune"]', "0123abcd")
read_book = CachedRead(ResourceKind("procedure", "books:book:{slug}"), lambda slug: f'"{slug}"'.encode(), "0123abcd")


class BookViewSet(CachedReadMixin, ViewSet):
    """Books, that everybody may read."""

    authentication_classes = ()
    permission_classes = ()
    cached_reads: ClassVar[Mapping[str, CachedRead]] = {"list": read_book_list, "retrieve": read_book}


def body_of(view_class: type[Any], action: str, **path: object) -> bytes:
    """Return the body of the answer to a GET of an action."""
    answer: HttpResponse = view_class.as_view({"get": action})(APIRequestFactory().get("/"), **path)
    return answer.content


def routed_actions(view_class: type[Any]) -> set[str]:
    """Return the actions that a router finds for GET."""
    router = SimpleRouter()
    router.register("books", view_class, basename="book")
    views: list[Any] = [pattern.callback for pattern in router.urls]
    return {view.actions["get"] for view in views if "get" in view.actions}


def test_declared_reads_are_answered() -> None:
    assert body_of(BookViewSet, "list") == b'["dune"]'
    assert body_of(BookViewSet, "retrieve", slug="dune") == b'"dune"'


def test_an_action_of_any_name_can_be_a_cached_read() -> None:
    class WithSummary(BookViewSet):
        cached_reads = {"summary": read_book}

    assert body_of(WithSummary, "summary", slug="dune") == b'"dune"'


def test_a_router_finds_the_declared_actions_and_no_others() -> None:
    class ListOnly(CachedReadMixin, ViewSet):
        cached_reads = {"list": read_book_list}

    assert routed_actions(BookViewSet) == {"list", "retrieve"}
    assert routed_actions(ListOnly) == {"list"}


def test_what_is_not_declared_fails_when_its_route_is_made_or_called() -> None:
    class ListOnly(CachedReadMixin, ViewSet):
        cached_reads = {"list": read_book_list}

    with pytest.raises(AttributeError, match="retrieve"):
        body_of(ListOnly, "retrieve", slug="dune")


def test_a_view_set_may_look_at_the_request_before_it_answers() -> None:
    class WithFilter(BookViewSet):
        def list(self, request: Request, **path: object) -> HttpResponse:
            """Answer nothing to who asks for nothing."""
            return HttpResponse(b"[]") if "none" in request.query_params else self.answer_cached_read(request, **path)

    view: Any = WithFilter.as_view({"get": "list"})

    assert view(APIRequestFactory().get("/?none")).content == b"[]"
    assert view(APIRequestFactory().get("/")).content == b'["dune"]'


def test_a_heir_keeps_what_its_ancestor_answers() -> None:
    class WithFilter(BookViewSet):
        def list(self, request: Request, **path: object) -> HttpResponse:
            """Answer nothing."""
            return HttpResponse(b"[]")

    class Heir(WithFilter):
        cached_reads = {"list": read_book_list, "retrieve": read_book}

    assert body_of(Heir, "list") == b"[]"
    assert body_of(Heir, "retrieve", slug="dune") == b'"dune"'


def test_declared_reads_come_before_what_the_framework_would_answer() -> None:
    class ModelViewSet(CachedReadMixin, ReadOnlyModelViewSet[Any]):
        authentication_classes = ()
        permission_classes = ()
        cached_reads = {"list": read_book_list}

    assert body_of(ModelViewSet, "list") == b'["dune"]'
