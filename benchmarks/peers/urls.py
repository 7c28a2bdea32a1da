"""The one path of a peer: the service's own, so that every subject gets the same request."""

import os
from importlib import import_module

from django.urls import path

peer = import_module(f"benchmarks.peers.{os.environ['PEER']}")

urlpatterns = [path("procedures", peer.ProcedureList.as_view())]
