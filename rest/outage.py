"""The warning that PostgreSQL fails requests: at once, then at most once a second, with the requests it stands for."""

import threading
import time

import structlog

logger = structlog.get_logger(__name__)

QUIET_SECONDS = 1.0


class DatabaseOutageLog:
    """Logs failures of PostgreSQL without drowning the log when every request meets one. Safe to share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused = 0
        self._reported = 0
        self._quiet_until = 0.0
        self._newest: dict[str, str | None] = {}

    @property
    def refused(self) -> int:
        """How many requests of this process have failed with PostgreSQL, since it began."""
        return self._refused

    def report(self, error: Exception, sqlstate: str | None) -> None:
        """Count a request that fails, and log it with those held back, unless a warning just went out."""
        with self._lock:
            self._refused += 1
            self._newest = {"error": str(error).strip(), "sqlstate": sqlstate}
        self.flush()

    def flush(self) -> None:
        """Log what was held back, unless a warning just went out. To be called now and then."""
        with self._lock:
            now, requests = time.monotonic(), self._refused - self._reported
            if not requests or now < self._quiet_until:
                return
            self._reported = self._refused
            self._quiet_until = now + QUIET_SECONDS
            newest = self._newest
        logger.warning("database_unavailable", **newest, requests=requests)


outage_log = DatabaseOutageLog()
