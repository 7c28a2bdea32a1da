"""Routes."""

from django.urls import path

from books.views import BookViewSet, metrics

urlpatterns = [
    path("books", BookViewSet.as_view({"get": "list"})),
    path("books/<slug:slug>", BookViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"})),
    path("metrics", metrics),
]
