"""How a text anywhere in a procedure is found by an index: by the text's grams.

A gram is three characters in a row, in capitals; the end of a text has two shorter ones. A trigger notes those of each
procedure's key, and of the title and the description of its current revision (procedures/migrations/0007_grams.py).
Whatever contains a text has all of its grams. What has them all is compared with the text itself, since the grams may
stand apart. PostgreSQL makes the grams of both, and the capitals: Python's are others. There is no extension that a
server might lack (docs/adr/0021).

Titles of revisions, drafts too, are found by the grams in an index of their own.

PostgreSQL cannot tell how many rows have the beginning of a word, or some of a text's grams. Where it is to find some
of them only, it may take them for many, and look for them through the whole list. `ids_if_few` asks it for all of them.
"""

from typing import Any

from django.contrib.postgres.search import SearchQueryField, SearchVectorField
from django.db import connection
from django.db.models import BooleanField, F, Func, Q, QuerySet, Value
from django.db.models.functions import Upper

MAX_TEXTS = 8  # the others are compared with what the first ones leave
PLACES = ("key", "current__title", "current__description")
KEPT_GRAMS = F("grams")
FEW = 1_000
"""As many rows as can be looked at one by one."""


def grams_of(text: Any) -> Func:
    """Return the grams of an expression's text, as a column has them."""
    return Func(
        Func(Upper(text), function="procedures_grams"),
        function="array_to_tsvector",
        output_field=SearchVectorField(),
    )


def has_grams_of(text: str, grams: Any = KEPT_GRAMS) -> Q:
    """Return the condition that all grams of this text, which is not empty, are among those that are kept."""
    query = Func(Upper(Value(text)), function="procedures_grams_query", output_field=SearchQueryField())
    return Q(Func(grams, query, template="%(expressions)s", arg_joiner=" @@ ", output_field=BooleanField()))


def contains(text: str) -> Q:
    """Return the condition on `Procedure` that the text is in one of `PLACES`, in capitals or not."""
    return Q.create([(f"{place}__icontains", text) for place in PLACES], connector=Q.OR)


def ids_if_few(found: QuerySet[Any, Any]) -> list[Any] | None:
    """Return the ids that a query finds in an index; None if there are more than `FEW`.

    It is not asked if PostgreSQL would look through a table: then it knows that there are many, or the table is small.
    """
    sql, params = found.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", params)
        if any("Seq Scan" in line for (line,) in cursor.fetchall()):
            return None
        # Planned for all of them, and left when there are too many.
        all_of_them = f"WITH found AS MATERIALIZED ({sql}) SELECT * FROM found LIMIT {FEW + 1}"  # noqa: S608  # Django's
        cursor.execute(all_of_them, params)
        ids = [row[0] for row in cursor.fetchall()]
    return ids if len(ids) <= FEW else None
