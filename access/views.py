"""Who a client is, over HTTP."""

from typing import cast

from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from access.authentication import actor_of
from access.models import ApiToken
from access.schema import ME_OPERATIONS
from access.serializers import MeSerializer, me
from rest.views import ApiViewSet

HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


class MeViewSet(ApiViewSet):
    """Who sends the request. It needs a token, and no right."""

    permission_classes = [IsAuthenticated]  # as REST framework declares it
    operations = ME_OPERATIONS

    def retrieve(self, request: Request) -> Response:
        """Answer who sends the request, and what they may do."""
        shown = MeSerializer(me(actor_of(request), cast(ApiToken, request.auth))).data
        return Response(shown, headers=HEADERS)
