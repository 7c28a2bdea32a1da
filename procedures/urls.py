"""The paths of procedures: no prefix, no trailing slash."""

from django.urls import path

from procedures import caches
from procedures.quick_reads import quick_read
from procedures.views import ProcedureViewSet, RevisionViewSet

urlpatterns = [
    path(
        "procedures",
        quick_read(ProcedureViewSet.as_view({"get": "list", "post": "create"}), caches.read_procedure_list),
        name="procedure-list",
    ),
    path(
        "procedures/<slug:key>",
        quick_read(
            ProcedureViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}), caches.read_procedure
        ),
        name="procedure-detail",
    ),
    path("procedures/<slug:key>/revisions", RevisionViewSet.as_view({"get": "list"}), name="revision-list"),
    path(
        "procedures/<slug:key>/revisions/<int:number>",
        RevisionViewSet.as_view({"get": "retrieve"}),
        name="revision-detail",
    ),
]
