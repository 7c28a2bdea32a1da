"""The paths of procedures: no prefix, no trailing slash."""

from django.urls import path

from procedures.views import ProcedureViewSet, RevisionViewSet

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
        "procedures/<slug:key>/revisions/<int:number>",
        RevisionViewSet.as_view({"get": "retrieve"}),
        name="revision-detail",
    ),
]
