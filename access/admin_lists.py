"""What lists in the admin have in common."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.exceptions import BadRequest, ValidationError
from django.core.paginator import Paginator
from django.db import DataError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

Listed = TypeVar("Listed", bound=Model)

NUL = "\x00"
READ_ONLY_TABLE = "access/read_only_table.html"
"""The template of an inline that only shows things: Django's own has an untitled column for what can be done."""
MAX_SHOWN = 50  # characters of what a client sent
COUNTED = 1_000
"""How many things of a long list can be leafed through; the search and the filters find the others."""


class ListAdmin(admin.ModelAdmin[Listed]):
    """A model's list, which treats a filter that PostgreSQL cannot read as a wrong filter, not as a failure."""

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            return super().get_changelist_instance(request)
        except (DataError, ValueError) as error:  # ValueError: a year that no date can have
            raise IncorrectLookupParameters(error) from error

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search, for autocomplete too, without NUL: no stored text contains it, and PostgreSQL refuses it."""
        return super().get_search_results(request, queryset, search_term.replace(NUL, ""))

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *where: Any) -> HttpResponse | None:
        """Do what was chosen with the lines that were ticked, if each could be one of the list."""
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(key)
            except ValidationError as error:
                raise BadRequest(f"{key[:MAX_SHOWN]!r} is not a line of the list.") from error
        return super().response_action(request, queryset, *where)


class BoundedPaginator(Paginator[Any]):
    """Pages of the first things of a list, which counts no more of them."""

    @cached_property
    def count(self) -> int:
        """How many there are, at most `COUNTED`."""
        things = cast(QuerySet[Any], self.object_list)
        return things[:COUNTED].count()


class OrderedChangeList(ChangeList):
    """A list that can be ordered by those columns alone that have an index, `sortable_by`."""

    def get_ordering_field(self, field_name: Any) -> Any:
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None


class LongListAdmin(ListAdmin[Listed]):
    """A list so long that nobody counts it, or sorts it as they please."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_max_show_all = 0

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return OrderedChangeList

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *where: Any) -> HttpResponse | None:
        """Do it with all that the list has counted where all are chosen, and with no others, of which it said nothing.

        Django would take whatever the filters select.
        """
        if request.POST.get("select_across", "0") != "0":
            queryset = queryset.filter(pk__in=list(queryset.values_list("pk", flat=True)[:COUNTED]))
        return super().response_action(request, queryset, *where)


class FormFilter(admin.ListFilter):
    """A filter that is filled in: it costs nothing to show, however many there are to choose from.

    Attributes:
        parameter_name: The list's parameter, and the form's only field.
        form_class: The form.
        others: What the form has to keep of the list's parameters.
        suggestions: What could be filled in.
    """

    template = "access/form_filter.html"
    parameter_name: str
    form_class: type[forms.Form]
    suggestions: Sequence[str] = ()

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Any], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.others: list[tuple[str, str]] = []
        text = (params.pop(self.parameter_name, None) or [""])[-1]
        sent = self.form_class({self.parameter_name: text})
        self.is_wrong = bool(text) and not sent.is_valid()
        # A widget may look up what it shows, and fail at what cannot be.
        self.form = sent if text and not self.is_wrong else self.form_class()

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name]

    def choices(self, changelist: ChangeList) -> Any:
        """Note what the form has to keep of the list's parameters; there are no links to choose from."""
        others = changelist.get_query_string(remove=[self.parameter_name, PAGE_VAR])
        self.others = parse_qsl(others.removeprefix("?"))
        return []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.is_wrong:
            return queryset.none()
        if not self.form.is_bound:
            return queryset
        return self.selected(queryset, self.form.cleaned_data[self.parameter_name])

    def selected(self, things: QuerySet[Any], value: Any) -> QuerySet[Any]:
        """Return the things that what was filled in selects."""
        raise NotImplementedError
