"""What is cached: the list of all books, and each of them."""

from rest_framework.renderers import JSONRenderer

from books.models import Book
from books.serializers import BookSerializer
from versioned_cache.http.fingerprints import fingerprint_of
from versioned_cache.keys import ResourceKind, register
from versioned_cache.reads import CachedRead, declare


def body_of_list() -> bytes:
    """Render all books, ordered by slug."""
    return JSONRenderer().render(BookSerializer(Book.objects.order_by("slug"), many=True).data)


def body_of_book(slug: str) -> bytes | None:
    """Render a book, or return None where there is no such book."""
    book = Book.objects.filter(slug=slug).first()
    return JSONRenderer().render(BookSerializer(book).data) if book else None


list_resource = register(ResourceKind("list", key="bookshop:list"))
book_resource = register(ResourceKind("book", key="bookshop:book:{slug}"))

FINGERPRINT = fingerprint_of(BookSerializer)
read_book_list = declare(CachedRead(list_resource, body_of_list, FINGERPRINT))
read_book = declare(CachedRead(book_resource, body_of_book, FINGERPRINT))
