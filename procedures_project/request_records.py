"""What is kept of every request: an id, one log line, its place in the metrics."""

import time
import uuid
from typing import Any

import structlog

from procedures_project import request_metrics

logger = structlog.get_logger(__name__)

ID_HEADER = "X-Request-ID"
QUIET_ROUTES = frozenset({"healthz", "readyz", "metrics"})  # polled every few seconds by machines
KEY = "procedures.request_record"


class RequestRecord:
    """A request that is being answered. Its id is in all its log lines, and in the answer's `X-Request-ID`.

    An id sent by the client is not taken over: it could forge another request's trace.

    Attributes:
        id: 32 hexadecimal digits.
    """

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self._started = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=self.id)

    def close(self, *, method: str | None, route: str | None, view: str | None, status: int, user_id: Any) -> None:
        """Log and count the request, once, when its answer is ready.

        Args:
            method: As the client sent it.
            route: The pattern of the path, not the path: bounded, and free of what a client put into it.
            view: The pattern's name.
            status: Of the answer.
            user_id: Who was authenticated, or None.
        """
        seconds = time.perf_counter() - self._started
        request_metrics.count(view, method, status, seconds)
        if route not in QUIET_ROUTES:
            logger.info(
                "request_finished",
                method=method,
                route=route,
                status=status,
                duration_ms=round(seconds * 1000, 3),
                user_id=user_id,
            )


def record_of(environ: dict[str, Any]) -> RequestRecord:
    """Return the record of the request with this WSGI environment, begun now unless it was before."""
    record: RequestRecord | None = environ.get(KEY)
    if record is None:
        record = environ[KEY] = RequestRecord()
    return record
