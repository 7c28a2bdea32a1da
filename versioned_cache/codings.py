"""Content codings (RFC 9110 §8.4.1): which of those that we have a client prefers."""

import re
from enum import StrEnum
from functools import lru_cache

ITEM = re.compile(r"\s*(?P<coding>[\w!#$%&'*+.^`|~-]+)\s*(?:;\s*[qQ]=(?P<quality>[01](?:\.\d{0,3})?)\s*)?")
ANY = "*"


class Coding(StrEnum):
    """The codings that bodies are served in."""

    IDENTITY = "identity"
    GZIP = "gzip"


@lru_cache(maxsize=256)  # there are as many spellings as there are kinds of client
def preferred_coding(accept_encoding: str | None) -> Coding | None:
    """Return the coding to serve to a client that sent this Accept-Encoding; None where it takes neither.

    By RFC 9110 §12.5.3: identity is acceptable unless it is excluded, and gzip only if it is named. What is
    malformed in the header is passed over.
    """
    if accept_encoding is None:
        return Coding.IDENTITY
    qualities = _qualities(accept_encoding)
    gzip = qualities.get("gzip", qualities.get("x-gzip", qualities.get(ANY, 0.0)))
    identity = qualities.get("identity", qualities.get(ANY))
    if gzip > 0 and gzip >= (identity or 0.0):
        return Coding.GZIP
    return None if identity == 0.0 else Coding.IDENTITY


def _qualities(accept_encoding: str) -> dict[str, float]:
    items = (ITEM.fullmatch(item) for item in accept_encoding.split(","))
    return {item["coding"].lower(): float(item["quality"] or 1) for item in items if item}
