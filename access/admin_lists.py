"""What all lists in the admin have in common."""

from typing import Any, TypeVar

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import DataError
from django.db.models import Model, QuerySet
from django.http import HttpRequest

Listed = TypeVar("Listed", bound=Model)

NUL = "\x00"


class ListAdmin(admin.ModelAdmin[Listed]):
    """A model's list, which treats a filter that PostgreSQL cannot read as a wrong filter, not as a failure."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            return super().get_changelist_instance(request)
        except DataError as error:
            raise IncorrectLookupParameters(error) from error

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search, for autocomplete too, without NUL: no stored text contains it, and PostgreSQL refuses it."""
        return super().get_search_results(request, queryset, search_term.replace(NUL, ""))
