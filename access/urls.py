"""The path that tells clients who they are: no prefix, no trailing slash."""

from django.urls import path

from access.views import MeViewSet

urlpatterns = [path("me", MeViewSet.as_view({"get": "retrieve"}), name="me")]
