"""What the shop sells."""

from django.db import models


class Book(models.Model):
    """A book; its slug never changes."""

    slug = models.SlugField(primary_key=True)
    title = models.CharField(max_length=200)
    price = models.DecimalField(max_digits=8, decimal_places=2)

    def __str__(self) -> str:
        return self.title
