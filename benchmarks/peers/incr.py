"""A version counter in Redis, as one writes it by hand: the body is kept under its version, a write counts on."""

from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from benchmarks.peers import CACHE_LIFETIME_SECONDS
from benchmarks.peers.serializers import procedure_list
from procedures.models import Procedure

VERSION = "procedure-list-version"


def cached_body() -> bytes:
    """Return the list's body of the current version."""
    version = cache.get_or_set(VERSION, 1, timeout=None)
    key = f"procedure-list-v{version}"
    body: bytes | None = cache.get(key)
    if body is None:
        body = JSONRenderer().render(procedure_list())
        cache.set(key, body, CACHE_LIFETIME_SECONDS)
    return body


@receiver([post_save, post_delete], sender=Procedure)
def count_on(**_signal: Any) -> None:
    """Leave the present version behind once the write is committed."""
    transaction.on_commit(lambda: cache.add(VERSION, 1, timeout=None) or cache.incr(VERSION))


class ProcedureList(APIView):
    """The rendered bytes of the current version."""

    def get(self, _request: Request) -> HttpResponse:
        """Answer the list."""
        return HttpResponse(cached_body(), "application/json")
