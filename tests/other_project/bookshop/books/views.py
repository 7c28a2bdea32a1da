"""Books over HTTP."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from books.caches import read_book, read_book_list
from books.models import Book
from books.serializers import BookSerializer
from versioned_cache.http.answers import CachedReadMixin


class BookViewSet(CachedReadMixin, ViewSet):
    """Books: the cached list, the cached item, and what changes them."""

    cached_reads = {"list": read_book_list, "retrieve": read_book}

    def update(self, request: Request, slug: str) -> Response:
        """Put a book on sale, or change it."""
        serializer = BookSerializer(Book.objects.filter(slug=slug).first(), data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save(slug=slug)
        return Response(serializer.data)

    def destroy(self, request: Request, slug: str) -> Response:
        """Take a book off the shelves."""
        get_object_or_404(Book, slug=slug).delete()
        return Response(status=204)


def metrics(_request: HttpRequest) -> HttpResponse:
    """Show this process's series to Prometheus."""
    return HttpResponse(generate_latest(), CONTENT_TYPE_LATEST)
