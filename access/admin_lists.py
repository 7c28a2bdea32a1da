"""Lists in the admin, whatever they are of."""

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
    """A model with a list in which a filter that PostgreSQL cannot read is a wrong filter, and no failure."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            return super().get_changelist_instance(request)
        except DataError as error:
            raise IncorrectLookupParameters(error) from error

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search, also for the boxes that complete what one types: no text that is stored has a NUL."""
        return super().get_search_results(request, queryset, search_term.replace(NUL, ""))
