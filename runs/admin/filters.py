"""The filter of the list of runs by their procedure."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import QuerySet

from access.admin_lists import FormFilter
from procedures.models import Procedure, Revision


class ProcedureForm(forms.Form):
    """The choice of a procedure."""

    procedure = forms.ModelChoiceField(
        Procedure.objects.all(),
        widget=AutocompleteSelect(Revision._meta.get_field("procedure"), admin.site, {"aria-label": "Procedure"}),
    )


class ProcedureFilter(FormFilter):
    """One procedure, which is searched for while its name is typed."""

    title = parameter_name = "procedure"
    form_class = ProcedureForm

    def selected(self, things: QuerySet[Any], value: Procedure) -> QuerySet[Any]:
        return things.filter(revision__in=Revision.objects.filter(procedure=value))
