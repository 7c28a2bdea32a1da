"""The names of people, groups and tokens: what everybody reads of them, in the ledger too."""

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from rest.fields import INVISIBLE, is_visible


def check_visible(name: str) -> None:
    """Refuse a name in which people see nothing; one that may be empty is not asked about here.

    Raises:
        ValidationError: it has no visible character.
    """
    if not is_visible(name):
        raise ValidationError(INVISIBLE, code="invisible")


def name_of(user: User) -> str:
    """Return the name that the pages show, and that the ledger records, of a person."""
    full_name = user.get_full_name()
    return full_name if is_visible(full_name) else user.username
