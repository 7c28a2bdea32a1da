"""What invalidates cached books."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from books.caches import book_resource, list_resource
from books.models import Book
from versioned_cache.invalidation import invalidate_on_commit


@receiver([post_save, post_delete], sender=Book)
def bump_book(instance: Book, **_signal: Any) -> None:
    """Bump the list and the book."""
    invalidate_on_commit(list_resource(), book_resource(instance.slug))
