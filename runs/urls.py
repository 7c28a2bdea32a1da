"""The paths of runs: no prefix, no trailing slash."""

from django.urls import path

from rest.json_bodies import CSVRenderer
from runs.views import RunViewSet

STEP = "runs/<uuid:run_id>/steps/<slug:step_key>"

urlpatterns = [
    path("runs", RunViewSet.as_view({"get": "list", "post": "create"}), name="run-list"),
    path("runs/<uuid:run_id>", RunViewSet.as_view({"get": "retrieve"}), name="run-detail"),
    path("runs/<uuid:run_id>/current", RunViewSet.as_view({"get": "current"}), name="run-current"),
    path("runs/<uuid:run_id>/export.json", RunViewSet.as_view({"get": "export_json"}), name="run-export-json"),
    path(
        "runs/<uuid:run_id>/export.csv",
        RunViewSet.as_view({"get": "export_csv"}, renderer_classes=[CSVRenderer]),
        name="run-export-csv",
    ),
    path("runs/<uuid:run_id>/pause", RunViewSet.as_view({"post": "pause"}), name="run-pause"),
    path("runs/<uuid:run_id>/resume", RunViewSet.as_view({"post": "resume"}), name="run-resume"),
    path("runs/<uuid:run_id>/abort", RunViewSet.as_view({"post": "abort"}), name="run-abort"),
    path(f"{STEP}/commit", RunViewSet.as_view({"post": "commit"}), name="step-commit"),
    path(f"{STEP}/skip", RunViewSet.as_view({"post": "skip"}), name="step-skip"),
    path(f"{STEP}/amend", RunViewSet.as_view({"post": "amend"}), name="step-amend"),
]
