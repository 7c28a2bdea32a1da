"""All paths of the service."""

from django.contrib import admin
from django.urls import include, path

from procedures_project import documentation, entrances
from procedures_project.operations import MACHINES, machine_view

urlpatterns = [
    path("", entrances.start, name="start"),
    path("favicon.ico", entrances.favicon, name="favicon"),
    path("problems/<slug:slug>", entrances.problem_type, name="problem-type"),
    path("", include("access.urls")),
    path("", include("procedures.urls")),
    path("", include("runs.urls")),
    path("openapi.json", documentation.openapi, name="openapi"),
    path("docs", documentation.docs, name="docs"),
    *(path(name, machine_view(answer), name=name) for name, answer in MACHINES.items()),
    path("admin", entrances.admin_without_slash),
    path("admin/login/", entrances.login, name="login"),
    path("admin/", admin.site.urls),
    path("console/sign-in", entrances.sign_in),
    path("", include("console.urls")),
]

handler400 = "procedures_project.refusals.bad_request"
handler403 = "procedures_project.refusals.permission_denied"
handler404 = "procedures_project.refusals.page_not_found"
handler500 = "procedures_project.refusals.server_error"
