"""Conditional requests (RFC 9110 §13): entity tags made of a version and the fingerprint of its shape.

`meta` is a request's headers as WSGI has them (PEP 3333), which is what Django calls `request.META`.

A tag is `"<version>-<fingerprint>"`. The gzip-coded variant's ends in `-gzip`; comparisons pass over that, since
a client that was given one variant and sends its tag back means the version.
"""

import re
from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request

from rest.codings import Coding
from rest.problems import MALFORMED_REQUEST, PRECONDITION_REQUIRED, VERSION_MISMATCH, Problem

TAG = re.compile(
    r'(?P<weak>W/)?"(?:(?P<version>\d{1,16})-(?P<fingerprint>[0-9a-f]{8})(?:-gzip)?|[\x21\x23-\x7e\x80-\xff]*)"'
)
ANY = "*"


def version_mismatch(version: int | None, fingerprint: str) -> Problem:
    """Return the 412 of a write that was based on another version than the current one."""
    return VERSION_MISMATCH(
        "Read it again, and repeat your change on what it is now.",
        current_etag=None if version is None else etag(version, fingerprint),
    )


def etag(version: int, fingerprint: str, coding: Coding = Coding.IDENTITY) -> str:
    """Return the strong entity tag of a version, in a coding."""
    variant = "" if coding is Coding.IDENTITY else f"-{coding}"
    return f'"{version}-{fingerprint}{variant}"'


def etag_held(meta: Mapping[str, Any], version: int, fingerprint: str, coding: Coding) -> str:
    """Return the tag for a 304: in the coding of the body that the client holds, by which its cache finds it.

    That is the coding to serve, unless the client names the version in another one only (RFC 9111 §4.3.4).
    """
    header = meta.get("HTTP_IF_NONE_MATCH", "")
    tags = [etag(version, fingerprint, one) for one in (coding, *(set(Coding) - {coding}))]
    return next((tag for tag in tags if tag in header), tags[0])


def versions_held(meta: Mapping[str, Any], fingerprint: str) -> frozenset[int]:
    """Return the versions that the client holds according to If-None-Match (weak comparison)."""
    header = meta.get("HTTP_IF_NONE_MATCH")
    if header is None:
        return frozenset()
    return frozenset(
        int(tag["version"]) for tag in TAG.finditer(header) if tag["version"] and tag["fingerprint"] == fingerprint
    )


def holds_anything(meta: Mapping[str, Any]) -> bool:
    """Tell whether If-None-Match is `*`: any representation is one that the client does not want."""
    return bool(meta.get("HTTP_IF_NONE_MATCH", "").strip() == ANY)


def versions_expected(request: Request, fingerprint: str) -> frozenset[int] | None:
    """Return the versions of which If-Match wants one to be current (strong comparison); None for "whatever".

    Raises:
        MALFORMED_REQUEST: the header holds no entity tag at all.
    """
    header = request.headers.get("If-Match", ANY).strip()
    if header == ANY:
        return None
    tags = list(TAG.finditer(header))
    if not tags:
        raise MALFORMED_REQUEST("If-Match holds no entity tag; they stand in double quotes.")
    return frozenset(
        int(tag["version"]) for tag in tags if tag["version"] and tag["fingerprint"] == fingerprint and not tag["weak"]
    )


def require_precondition(request: Request) -> None:
    """Raise `PRECONDITION_REQUIRED` unless the request has If-Match."""
    if "If-Match" not in request.headers:
        raise PRECONDITION_REQUIRED(
            "Send the ETag of the version that your change is based on, or * for whatever it is."
        )
