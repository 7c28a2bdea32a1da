"""All paths of the service."""

from django.contrib import admin
from django.urls import include, path

from procedures_project import documentation, operations

urlpatterns = [
    path("", include("procedures.urls")),
    path("", include("runs.urls")),
    path("openapi.json", documentation.openapi, name="openapi"),
    path("docs", documentation.docs, name="docs"),
    path("healthz", operations.healthz, name="healthz"),
    path("readyz", operations.readyz, name="readyz"),
    path("metrics", operations.metrics, name="metrics"),
    path("admin/", admin.site.urls),
]

handler400 = "rest.error_answers.bad_request"
handler403 = "rest.error_answers.permission_denied"
handler404 = "rest.error_answers.page_not_found"
handler500 = "rest.error_answers.server_error"
