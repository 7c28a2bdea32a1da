"""Django's `cache_page` behind the authentication, as DRF's documentation of caching puts it."""

from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_page
from django.views.decorators.vary import vary_on_headers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.peers import CACHE_LIFETIME_SECONDS
from benchmarks.peers.serializers import procedure_list


class ProcedureList(APIView):
    """The rendered list, kept for its lifetime for each token."""

    @method_decorator(cache_page(CACHE_LIFETIME_SECONDS))
    @method_decorator(vary_on_headers("Authorization"))
    def get(self, _request: Request) -> Response:
        """Answer the list."""
        return Response(procedure_list())
