"""drf-extensions' `cache_response` with the default key, which is the cheapest: nothing but the lifetime ends an entry.

Its documentation builds a key that signals can change out of parts like the one below (`UpdatedAtKeyBit`); that
costs one more trip to Redis, and is what `InvalidatedProcedureList` has.
"""

from datetime import UTC, datetime
from typing import Any

from django.core.cache import cache
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_extensions.cache.decorators import cache_response
from rest_framework_extensions.key_constructor.bits import KeyBitBase
from rest_framework_extensions.key_constructor.constructors import DefaultKeyConstructor

from benchmarks.peers.serializers import procedure_list
from procedures.models import Procedure

UPDATED_AT = "api_updated_at_timestamp"


class ProcedureList(APIView):
    """The rendered list, kept for its lifetime."""

    @cache_response()  # type: ignore[untyped-decorator]  # the library has no types
    def get(self, _request: Request) -> Response:
        """Answer the list."""
        return Response(procedure_list())


class UpdatedAtKeyBit(KeyBitBase):  # type: ignore[misc]
    """When a procedure was written last."""

    def get_data(self, **_context: Any) -> str:
        """Return the instant, which is the present one when nobody knows it."""
        instant = cache.get(UPDATED_AT)
        if not instant:
            instant = datetime.now(UTC)
            cache.set(UPDATED_AT, instant)
        return str(instant)


class InvalidatedListKeyConstructor(DefaultKeyConstructor):  # type: ignore[misc]
    """The default key, and when a procedure was written last."""

    updated_at = UpdatedAtKeyBit()


class InvalidatedProcedureList(APIView):
    """The rendered list, kept until a signal says that a procedure was written."""

    @cache_response(key_func=InvalidatedListKeyConstructor())  # type: ignore[untyped-decorator]
    def get(self, _request: Request) -> Response:
        """Answer the list."""
        return Response(procedure_list())


@receiver([post_save, post_delete], sender=Procedure)
def change_updated_at(**_signal: Any) -> None:
    """Remember the present instant."""
    cache.set(UPDATED_AT, datetime.now(UTC))
