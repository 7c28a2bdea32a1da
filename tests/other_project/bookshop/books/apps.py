"""App registration."""

from django.apps import AppConfig


class BooksConfig(AppConfig):
    """The books."""

    name = "books"

    def ready(self) -> None:
        from books import signals  # noqa: F401, PLC0415  # connects them
