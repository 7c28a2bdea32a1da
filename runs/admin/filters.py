"""Filters of the list of runs that cost nothing to show, however many choices there are."""

from typing import Any
from urllib.parse import parse_qsl

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet
from django.http import HttpRequest

from procedures.models import Procedure, Revision
from runs.models import Run

PARAMETER = "procedure"


class ProcedureFilter(admin.ListFilter):
    """One procedure, which is searched for while its name is typed; not a link for each."""

    title = "procedure"
    template = "admin/runs/run/procedure_filter.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Any], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.others: list[tuple[str, str]] = []
        text = (params.pop(PARAMETER, None) or [""])[-1]
        sent = ProcedureForm({PARAMETER: text})
        self.is_wrong = bool(text) and not sent.is_valid()
        # The widget looks up what it shows, and fails on what is not an id.
        self.form = sent if text and not self.is_wrong else ProcedureForm()

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [PARAMETER]

    def choices(self, changelist: ChangeList) -> Any:
        """Note what the form has to keep of the list's parameters; there are no links to choose from."""
        others = changelist.get_query_string(remove=[PARAMETER, PAGE_VAR])
        self.others = parse_qsl(others.removeprefix("?"))
        return []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        if self.is_wrong:
            return queryset.none()
        if not self.form.is_bound:
            return queryset
        return queryset.filter(revision__in=Revision.objects.filter(procedure=self.form.cleaned_data[PARAMETER]))


class ProcedureForm(forms.Form):
    """The choice of a procedure."""

    procedure = forms.ModelChoiceField(
        Procedure.objects.all(),
        widget=AutocompleteSelect(Revision._meta.get_field("procedure"), admin.site, {"aria-label": "Procedure"}),
    )
