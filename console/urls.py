"""The paths of the console. Forms live under /console/, which is where the gate takes bodies from browsers."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from console import author_views, overview_views, run_views, views

app_name = "console"

RUN = "console/runs/<uuid:run_id>"
STEP = f"{RUN}/steps/<slug:step_key>"

urlpatterns = [
    path("", views.home, name="home"),
    path("console/sign-in", views.SignIn.as_view(), name="sign-in"),
    path("console/sign-out", LogoutView.as_view(next_page="console:sign-in"), name="sign-out"),
    path("console/procedures/<slug:key>", views.procedure, name="procedure"),
    path("console/procedures/<slug:key>/start", views.start, name="start"),
    path("console/procedures/<slug:key>/revisions", author_views.revisions, name="revisions"),
    path("console/drafts/<int:pk>", author_views.draft, name="draft"),
    path(RUN, run_views.run, name="run"),
    path(f"{RUN}/live", run_views.live, name="live"),
    path(f"{RUN}/record", run_views.record, name="record"),
    path(f"{RUN}/<str:verb>", run_views.change_run, name="change-run"),
    path(f"{STEP}/<str:verb>", run_views.record_step, name="record-step"),
    path("wall", overview_views.wall, name="wall"),
    path("wall/live", overview_views.wall_live, name="wall-live"),
    path("console/review", overview_views.review, name="review"),
    path("console/cache", overview_views.cache, name="cache"),
]
