"""How long to wait for PostgreSQL. A server that is frozen keeps its connections, and answers nothing for ever.

Neither libpq nor Django has a limit for that: the server's own `statement_timeout` needs a server that runs, and TCP's
need a host that does not answer. psycopg has one for each wait, which is all that is used here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg.errors import OperationalError

REQUEST_PATIENCE_SECONDS = 3.0  # longer than a lock is waited for (lock_timeout), shorter than a client waits
PROBE_PATIENCE_SECONDS = 1.0

_patience_seconds: ContextVar[float | None] = ContextVar("patience_seconds", default=None)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let each statement inside wait for so long at most; commands, which do not come here, wait as they must.

    Raises:
        OperationalError: PostgreSQL has not answered in time. The connection is closed: what it did is not known.
    """
    token = _patience_seconds.set(seconds)
    try:
        yield
    finally:
        _patience_seconds.reset(token)


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that is given up when its server does not answer in time."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, no longer than `patience` allows."""
        limit_seconds = _patience_seconds.get() if timeout is None else timeout
        try:
            return super().wait(gen, interval=interval, timeout=limit_seconds)
        except psycopg.errors._WaitTimeout:  # it has no public name
            if timeout is not None:
                raise  # psycopg's own limit, and its affair
            self.close()
            raise OperationalError(f"PostgreSQL has not answered within {limit_seconds:g} s.") from None
