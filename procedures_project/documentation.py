"""The service's description of itself: /openapi.json for programs, /docs for people. Both are open to everybody."""

import hashlib
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import condition
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema

from access.authentication import BearerTokenAuthentication
from procedures_project.operations import safe_only
from rest import exact_json


class BearerScheme(OpenApiAuthenticationExtension):
    """How clients send their token."""

    target_class = BearerTokenAuthentication
    name = "bearer"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API token. An administrator issues it."}


@cache
def document() -> bytes:
    """Return the OpenAPI document, made once in a process: it takes a while, and only new code changes it."""
    generator = SchemaGenerator()
    return exact_json.dumps(generator.get_schema(request=None, public=True))


def _etag(_request: HttpRequest) -> str:
    return f'"{hashlib.sha256(document()).hexdigest()}"'


@safe_only
@condition(etag_func=_etag)
def openapi(request: HttpRequest) -> HttpResponse:
    """Answer the OpenAPI document."""
    return HttpResponse(document(), "application/json", headers={"Cache-Control": "no-cache"})


@safe_only
def docs(request: HttpRequest) -> HttpResponse:
    """Answer a page to browse the document with; all of its files are this service's own, so it works offline."""
    return render(request, "documentation/docs.html")
