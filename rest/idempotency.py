"""Idempotency keys: how a client that lost an answer asks again without doing it twice.

The record of a request is the row that it made, in the same transaction; there is no store beside it.
"""

import hashlib
from dataclasses import dataclass
from http import HTTPStatus

from rest_framework.request import Request

from rest import exact_json
from rest.problems import MalformedRequest, Problem, problem_for
from rest.views import body_of

MAX_LENGTH = 255
REPLAYED = "Idempotent-Replayed"


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """Which request this is.

    Attributes:
        key: The client's Idempotency-Key; None where it sent none, so that nothing is replayed.
        fingerprint: SHA-256 of the method, the path and the canonical body.
    """

    key: str | None = None
    fingerprint: str = ""


UNKEYED = RequestIdentity()


class IdempotencyKeyReused(Exception):
    """The key belongs to another request."""


def identity_of(request: Request) -> RequestIdentity:
    """Return the identity of a request.

    Raises:
        MalformedRequest: the key is empty, longer than 255 characters, or not printable.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return UNKEYED
    # A quoted string by the draft (draft-ietf-httpapi-idempotency-key-header §2.1), bare by the habit of many clients.
    key = key.strip().removeprefix('"').removesuffix('"')
    if not 1 <= len(key) <= MAX_LENGTH or not (key.isascii() and key.isprintable()):
        raise MalformedRequest("Idempotency-Key must be 1 to 255 printable characters.")
    content = [request.method, request.path, body_of(request)]
    return RequestIdentity(key, hashlib.sha256(exact_json.dumps(content, sort_keys=True)).hexdigest())


def check_same_request(identity: RequestIdentity, fingerprint: str) -> None:
    """Raise `IdempotencyKeyReused` unless the recorded `fingerprint` is this request's."""
    if identity.fingerprint != fingerprint:
        raise IdempotencyKeyReused


@problem_for.register
def _(_error: IdempotencyKeyReused) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency-key-reused",
        "The Idempotency-Key was used for another request",
    )
