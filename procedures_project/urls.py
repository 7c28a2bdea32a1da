"""All paths of the service."""

from django.contrib import admin
from django.urls import include, path

from procedures_project import documentation
from procedures_project.operations import MACHINES, machine_view

urlpatterns = [
    path("", include("procedures.urls")),
    path("", include("runs.urls")),
    path("openapi.json", documentation.openapi, name="openapi"),
    path("docs", documentation.docs, name="docs"),
    *(path(name, machine_view(answer), name=name) for name, answer in MACHINES.items()),
    path("admin/", admin.site.urls),
]

handler400 = "rest.error_answers.bad_request"
handler403 = "rest.error_answers.permission_denied"
handler404 = "rest.error_answers.page_not_found"
handler500 = "rest.error_answers.server_error"
