"""The lists of procedures and of their revisions, which are searched by grams."""

from typing import Any, TypeVar, cast

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import smart_split, unescape_string_literal

from access.admin_lists import NUL, LongListAdmin
from procedures.models import ProcedureQuerySet, RevisionQuerySet

Listed = TypeVar("Listed", bound=Model)

QUOTES = ("'", '"')


class SearchedListAdmin(LongListAdmin[Listed]):
    """A long list that is searched as Django does, among those that indexes find for the words."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.replace(NUL, "")
        candidates = cast(ProcedureQuerySet | RevisionQuerySet, queryset).candidates_for(_words_of(term))
        return super().get_search_results(request, candidates, term)


def _words_of(term: str) -> list[str]:
    """Return what Django's search looks for: the words, and what stands in quotes."""
    words = smart_split(term)
    return [unescape_string_literal(word) if word[0] in QUOTES and word[0] == word[-1] else word for word in words]
