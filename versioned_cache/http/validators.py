"""Conditional requests (RFC 9110 §13): entity tags made of a version and the fingerprint of its shape.

`meta` is a request's headers as WSGI has them (PEP 3333), which is what Django calls `request.META`.

A tag is `"<version>-<fingerprint>"`. The gzip-coded variant's ends in `-gzip`; comparisons pass over that, since
a client that was given one variant and sends its tag back means the version.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.request import Request

from versioned_cache.codings import Coding

# Django's `parse_etags` splits at commas, which a tag may contain.
TAG = re.compile(
    r'(?P<weak>W/)?"(?:(?P<version>[1-9][0-9]{0,15})-(?P<fingerprint>[0-9a-f]{8})(?:-gzip)?|[\x21\x23-\x7e\x80-\xff]*)"'
)
ANY = "*"
A_TAG = "\0"  # stands for each tag while a list is checked; no header contains it


class VersionMismatch(APIException):
    """A write was based on another version than the current one (RFC 9110 §15.5.13).

    Attributes:
        current_etag: The entity tag of the current version; None where there is none.
    """

    status_code = HTTPStatus.PRECONDITION_FAILED
    default_code = "version-mismatch"
    default_detail = "Read it again, and apply your change to the current version."

    def __init__(self, current_etag: str | None) -> None:
        super().__init__()
        self.current_etag = current_etag


@dataclass(frozen=True, slots=True)
class ExpectedVersions:
    """The versions of which a client wants one to be current, before its change is made (If-Match).

    Attributes:
        versions: The versions; none where every tag is of another shape.
        fingerprint: The shape that their tags are of.
    """

    versions: frozenset[int]
    fingerprint: str

    def check(self, version: int | None) -> None:
        """Raise `VersionMismatch` unless the current `version` is among them."""
        if version not in self.versions:
            raise VersionMismatch(None if version is None else etag(version, self.fingerprint))


def etag(version: int, fingerprint: str, coding: Coding = Coding.IDENTITY) -> str:
    """Return the strong entity tag of a version, in a coding."""
    variant = "" if coding is Coding.IDENTITY else f"-{coding}"
    return f'"{version}-{fingerprint}{variant}"'


def etag_of_304(meta: Mapping[str, Any], version: int, fingerprint: str, coding: Coding) -> str:
    """Return the tag for a 304: in the coding of the body that the client has, by which its cache finds it.

    That is the coding to serve, unless the client names the version in another one only (RFC 9111 §4.3.4).
    """
    header = meta.get("HTTP_IF_NONE_MATCH", "")
    tags = [etag(version, fingerprint, one) for one in (coding, *(set(Coding) - {coding}))]
    return next((tag for tag in tags if tag in header), tags[0])


def known_versions(meta: Mapping[str, Any], fingerprint: str) -> frozenset[int]:
    """Return the versions that the client has according to If-None-Match (weak comparison)."""
    header = meta.get("HTTP_IF_NONE_MATCH")
    if header is None:
        return frozenset()
    return frozenset(
        int(tag["version"]) for tag in TAG.finditer(header) if tag["version"] and tag["fingerprint"] == fingerprint
    )


def wants_nothing(meta: Mapping[str, Any]) -> bool:
    """Tell whether If-None-Match is `*`: any representation is one that the client does not want."""
    return bool(meta.get("HTTP_IF_NONE_MATCH", "").strip() == ANY)


def expected_versions(request: Request, fingerprint: str) -> ExpectedVersions | None:
    """Return what If-Match asks for (strong comparison); None where any version will do.

    Raises:
        ParseError: the header is not a list of entity tags.
    """
    header = request.headers.get("If-Match", ANY).strip()
    if header == ANY:
        return None
    tags = list(TAG.finditer(header))
    members = {member.strip(" \t") for member in TAG.sub(A_TAG, header).split(",")}
    if not tags or members - {A_TAG, ""}:  # a list may have empty members (RFC 9110 §5.6.1.2)
        raise ParseError("If-Match is not a list of entity tags. Entity tags are in double quotes.")
    versions = frozenset(
        int(tag["version"]) for tag in tags if tag["version"] and tag["fingerprint"] == fingerprint and not tag["weak"]
    )
    return ExpectedVersions(versions, fingerprint)
