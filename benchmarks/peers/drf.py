"""No cache at all: DRF over prefetched rows."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.peers.serializers import procedure_list


class ProcedureList(APIView):
    """The list, built at each request."""

    def get(self, _request: Request) -> Response:
        """Answer the list."""
        return Response(procedure_list())
