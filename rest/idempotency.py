"""Idempotency keys: a client that lost an answer can repeat its request without doing it twice.

The row that a request creates is also its record. Its receipt, written in the same transaction, has the answer.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from rest import exact_json
from rest.problems import IDEMPOTENCY_KEY_REUSED, MALFORMED_REQUEST
from rest.views import body_of

REPLAYED = "Idempotent-Replayed"

# The draft wants a quoted string (draft-ietf-httpapi-idempotency-key-header §2.1); many clients send it bare.
KEY = r'"[ -~]{1,255}"|[!#-~][ -~]{0,254}'


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """What tells a request from others.

    Attributes:
        key: The client's Idempotency-Key; None if it sent none, and then nothing is replayed.
        fingerprint: SHA-256 of the method, the path and the canonical body.
    """

    key: str | None = None
    fingerprint: str = ""


UNKEYED = RequestIdentity()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write is answered: the same bytes now and whenever the request is repeated.

    Attributes:
        body: The body.
        entity_tag: The tag of the version that was written; None in answers from before answers were kept.
        is_replayed: Whether the request was carried out before.
    """

    body: bytes
    entity_tag: str | None
    is_replayed: bool = False

    def response(self, status: HTTPStatus = HTTPStatus.OK, location: str = "") -> HttpResponse:
        """Return the response; `location` is the path of what was created."""
        headers = {"Cache-Control": "private, no-cache"}
        if self.entity_tag is not None:
            headers["ETag"] = self.entity_tag
        if location:
            headers["Location"] = location
        if self.is_replayed:
            headers[REPLAYED] = "true"
        return HttpResponse(self.body, "application/json", status, headers=headers)


def identity_of(request: Request) -> RequestIdentity:
    """Return the identity of a request.

    Raises:
        MALFORMED_REQUEST: the key is empty, longer than 255 characters, or not printable ASCII.
    """
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return UNKEYED
    header = header.strip(" \t")
    if not re.fullmatch(KEY, header):
        raise MALFORMED_REQUEST("Idempotency-Key must be 1 to 255 printable ASCII characters, bare or in quotes.")
    key = header[1:-1] if header.startswith('"') else header
    return RequestIdentity(key, fingerprint_of(str(request.method), request.path, body_of(request)))


def fingerprint_of(method: str, path: str, body: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a request's method, path and canonical body."""
    return hashlib.sha256(exact_json.dumps([method, path, body], sort_keys=True)).hexdigest()


def check_same_request(identity: RequestIdentity, fingerprint: str) -> None:
    """Raise `IDEMPOTENCY_KEY_REUSED` unless the recorded `fingerprint` is that of this request."""
    if identity.fingerprint != fingerprint:
        raise IDEMPOTENCY_KEY_REUSED
