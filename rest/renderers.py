"""Renderers, which write answers as JSON."""

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
        """Return `data` as JSON; no bytes for an answer without a body."""
        return b"" if data is None else exact_json.dumps(data)


class CSVRenderer(ExactJSONRenderer):
    """Lets a client ask for CSV. Views write the CSV themselves; what is left to render are problems, in JSON."""

    media_type = "text/csv"
    format = "csv"
