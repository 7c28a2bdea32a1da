"""The words that runs are found by: of their titles, their references, and the names of those who started them.

A trigger takes them from each new run (runs/migrations/0005_words.py), and they never change. What is looked for is
divided in the same way: letters and digits of ASCII and whatever is not ASCII make words, the rest separates them.
There is no dictionary, and no extension that a role might not be allowed to create. A word is found by its beginning,
whatever its case.
"""

import re
from uuid import UUID

from django.contrib.postgres.search import SearchQueryField
from django.db.models import BooleanField, F, Func, Q, Value
from django.db.models.functions import Cast, Lower

SEPARATORS = re.compile(r"[\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+")
ID_BEGINNING = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]){0,24}-?")
MAX_WORDS = 8
MAX_WORD_LENGTH = 200  # of a title or a reference; PostgreSQL refuses words that are ten times as long


def words_in(text: str) -> list[str]:
    """Return the words to look for."""
    return [word for word in SEPARATORS.split(text) if word]


def has_words(words: list[str]) -> Q:
    """Return the condition on `RunWords` that each of these words begins one of a run's."""
    query = Cast(Lower(Value(" & ".join(f"'{word}':*" for word in words))), SearchQueryField())
    return Q(Func(F("words"), query, template="%(expressions)s", arg_joiner=" @@ ", output_field=BooleanField()))


def ids_like(text: str) -> tuple[UUID, UUID] | None:
    """Return the first and the last id that begin with this text; None if it is not 8 or more digits of an id."""
    beginning = text.strip().lower()
    if not ID_BEGINNING.fullmatch(beginning):
        return None
    digits = beginning.replace("-", "")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
