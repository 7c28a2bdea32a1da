"""Idempotency keys: a client that lost an answer can repeat its request without doing it twice.

The row that a request creates is also its record, written in the same transaction. There is no separate store.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


def identity_of(request: Request) -> RequestIdentity:
    """Return the identity of a request.

    Raises:
        MALFORMED_REQUEST: the key is empty, longer than 255 characters, or not printable ASCII.
    """
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return UNKEYED
    header = header.strip()
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
