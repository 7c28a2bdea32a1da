"""Writing answers as JSON."""

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer

from rest import exact_json


class ExactJSONRenderer(BaseRenderer):
    """Render JSON as UTF-8 bytes; decimals keep their digits."""

    media_type = "application/json"
    format = "json"
    charset = None  # RFC 8259 §11: JSON has no charset parameter

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """Return the bytes of `data`; none for an answer without a body."""
        return b"" if data is None else exact_json.dumps(data)


class CSVRenderer(ExactJSONRenderer):
    """Let CSV be asked for; views write it themselves, and what is left to render is problems, which are JSON."""

    media_type = "text/csv"
    format = "csv"
