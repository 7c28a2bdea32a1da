"""How a text anywhere in a procedure is found by an index: by the text's grams.

A gram is three characters in a row, in capitals; the end of a text has two shorter ones. A trigger notes those of each
procedure's key, and of the title and the description of its current revision (procedures/migrations/0007_grams.py).
Whatever contains a text has all of its grams. What has them all is compared with the text itself, since the grams may
stand apart. PostgreSQL makes the grams of both, and the capitals: Python's are others. There is no extension that a
server might lack (docs/adr/0021).
"""

from django.contrib.postgres.search import SearchQueryField
from django.db.models import BooleanField, F, Func, Q, Value
from django.db.models.functions import Upper

MAX_TEXTS = 8  # the others are compared with what the first ones leave
PLACES = ("key", "current__title", "current__description")


def has_grams_of(text: str) -> Q:
    """Return the condition on `ProcedureGrams` that all grams of this text, which is not empty, are there."""
    query = Func(Upper(Value(text)), function="procedures_grams_query", output_field=SearchQueryField())
    return Q(Func(F("grams"), query, template="%(expressions)s", arg_joiner=" @@ ", output_field=BooleanField()))


def contains(text: str) -> Q:
    """Return the condition on `Procedure` that the text is in one of `PLACES`, in capitals or not."""
    return Q.create([(f"{place}__icontains", text) for place in PLACES], connector=Q.OR)
