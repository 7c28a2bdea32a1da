"""The one path of a peer: the service's own, so that every subject gets the same request."""

from importlib import import_module

from django.conf import settings
from django.urls import path

peer = import_module(f"benchmarks.peers.{settings.PEER}")

urlpatterns = [path("procedures", peer.ProcedureList.as_view())]
