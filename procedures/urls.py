"""The paths of procedures: no prefix, no trailing slash."""

from django.urls import path, register_converter
from django.urls.converters import IntConverter

from procedures.views import ProcedureViewSet, RevisionViewSet


class NumberConverter(IntConverter):
    """A whole number without leading zeros: Django takes 01 for 1, so that a revision would have many URLs."""

    regex = "0|[1-9][0-9]*"


register_converter(NumberConverter, "number")

urlpatterns = [
    path(
        "procedures",
        ProcedureViewSet.as_view({"get": "list", "post": "create"}),
        name="procedure-list",
    ),
    path(
        "procedures/<slug:key>",
        ProcedureViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
        name="procedure-detail",
    ),
    path("procedures/<slug:key>/revisions", RevisionViewSet.as_view({"get": "list"}), name="revision-list"),
    path(
        "procedures/<slug:key>/revisions/<number:number>",
        RevisionViewSet.as_view({"get": "retrieve"}),
        name="revision-detail",
    ),
]
