"""The names of people, groups and tokens, as everybody reads them, in the ledger too."""

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from rest.fields import INVISIBLE, is_visible


def check_visible(name: str) -> None:
    """Refuse a name in which people see nothing. Django calls no validator for an empty text where one is allowed.

    Raises:
        ValidationError: it has no visible character.
    """
    if not is_visible(name):
        raise ValidationError(INVISIBLE, code="invisible")


def name_of(user: User) -> str:
    """Return a person's name as the pages show it and the ledger records it."""
    full_name = user.get_full_name()
    return full_name if is_visible(full_name) else user.username
