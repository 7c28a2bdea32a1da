"""The one path of a peer, with the view that is invalidated by signals where it has one."""

from django.urls import path

from benchmarks.peers.urls import peer

view = getattr(peer, "InvalidatedProcedureList", peer.ProcedureList)

urlpatterns = [path("procedures", view.as_view())]
