"""Which representation a client wants (RFC 9110 §12.5.1): its weights count, and q=0 excludes.

REST framework's own negotiation takes no notice of weights: a client that excludes JSON is sent JSON.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.http.request import MediaType
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

ANYTHING = "*/*"
MAX_RANGES = 64
MAX_RANGE_LENGTH = 256  # to read the parameters of one takes time that is quadratic in their length


class WeighingNegotiation(DefaultContentNegotiation):
    """Selects the renderer that the client prefers; among equals, the first of the view's."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and its media type.

        Raises:
            NotAcceptable: the client accepts none of them.
        """
        by_type = {renderer.media_type: renderer for renderer in renderers}
        media_type = preferred_type(request.META.get("HTTP_ACCEPT"), list(by_type))
        if media_type is None:
            raise NotAcceptable(available_renderers=list(by_type.values()))
        return by_type[media_type], media_type


def preferred_type(accept: str | None, media_types: Sequence[str]) -> str | None:
    """Return the media type that an Accept header prefers; None where it excludes all.

    Without the header, or with an empty one, any will do. Parameters of its ranges other than `q` are passed over:
    `application/json; charset=utf-8` means our JSON. What is not a range, or longer than any, matches nothing.
    """
    tokens = [token for token in (accept or "").split(",", MAX_RANGES)[:MAX_RANGES] if token.strip()] or [ANYTHING]
    ranges = [one for token in tokens if len(token) <= MAX_RANGE_LENGTH for one in _range_in(token)]
    weights = {media_type: _weight_of(media_type, ranges) for media_type in media_types}
    best = max(media_types, key=weights.__getitem__)
    return best if weights[best] > 0 else None


def _range_in(token: str) -> list[Any]:
    """Return the range that a token is; none where a parameter is in an encoding that does not exist (RFC 2231)."""
    try:
        return [MediaType(token)]
    except ValueError:
        return []


def _weight_of(media_type: str, ranges: Sequence[Any]) -> float:
    """Return the weight of the most specific range that a media type is in; 0 where it is in none."""
    main, _, sub = media_type.partition("/")
    matching = [
        (one.main_type != "*", one.sub_type != "*", one.quality)
        for one in ranges
        if one.main_type in {main, "*"} and one.sub_type in {sub, "*"} and (one.main_type != "*" or one.sub_type == "*")
    ]
    return float(max(matching)[-1]) if matching else 0.0
