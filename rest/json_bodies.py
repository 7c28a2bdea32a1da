"""Bodies over HTTP: requests' are UTF-8 JSON objects of bounded size and nothing else, answers' are JSON."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from rest import exact_json
from rest.problems import MALFORMED_REQUEST, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE

UTF_8 = frozenset({"utf-8", "utf8"})
"""The names of the one charset of bodies."""


class ExactJSONParser(BaseParser):
    """Parse a JSON object, strictly (`rest.exact_json`)."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, exact_json.JSON]:
        """Return the body's object.

        Raises:
            UNSUPPORTED_MEDIA_TYPE: it is compressed, or not in UTF-8.
            PAYLOAD_TOO_LARGE: it is larger than `MAX_BODY_BYTES`; the rest is not read.
            MALFORMED_REQUEST: it is not a JSON object.
        """
        request = (parser_context or {})["request"]
        if request.content_type.partition(";")[0].strip().lower() != self.media_type:  # REST framework lets */* through
            raise UNSUPPORTED_MEDIA_TYPE("Send JSON as application/json.")
        _check_coding(request.META.get("HTTP_CONTENT_ENCODING", ""), request.content_params.get("charset", "utf-8"))
        body = stream.read(settings.MAX_BODY_BYTES + 1)
        if len(body) > settings.MAX_BODY_BYTES:
            raise PAYLOAD_TOO_LARGE(
                f"The limit is {settings.MAX_BODY_BYTES} bytes.", limit_bytes=settings.MAX_BODY_BYTES
            )
        try:
            value = exact_json.loads(body.decode())
        except UnicodeDecodeError:
            raise MALFORMED_REQUEST("The body is not UTF-8.") from None
        except exact_json.NotExactJSON as error:
            raise MALFORMED_REQUEST(str(error)) from None
        if not isinstance(value, dict):
            raise MALFORMED_REQUEST("The body must be a JSON object.")
        return value


class ExactJSONRenderer(BaseRenderer):
    """Render JSON as UTF-8 bytes; decimals keep their digits."""

    media_type = "application/json"
    format = "json"
    charset = None  # RFC 8259 §11: JSON has no charset parameter

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return `data` as JSON; no bytes for an answer without a body."""
        return b"" if data is None else exact_json.dumps(data)


class CSVRenderer(ExactJSONRenderer):
    """Lets a client ask for CSV. Views write the CSV themselves; what is left to render are problems, in JSON."""

    media_type = "text/csv"
    format = "csv"


def _check_coding(content_encoding: str, charset: str) -> None:
    if content_encoding.lower() not in {"", "identity"}:
        raise UNSUPPORTED_MEDIA_TYPE("Send the body without a Content-Encoding.")
    if charset.lower() not in UTF_8:
        raise UNSUPPORTED_MEDIA_TYPE("JSON must be UTF-8 (RFC 8259 §8.1).")
