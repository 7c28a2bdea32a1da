"""The shape of what is answered and taken."""

from rest_framework.serializers import ModelSerializer

from books.models import Book


class BookSerializer(ModelSerializer[Book]):
    """A book."""

    class Meta:
        model = Book
        fields = ["slug", "title", "price"]
        read_only_fields = ["slug"]
