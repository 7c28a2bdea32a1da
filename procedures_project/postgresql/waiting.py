"""How long to wait for PostgreSQL. A server that is frozen keeps its connections, and never answers.

Neither libpq nor Django has a limit for that: the server's own `statement_timeout` needs a server that runs, and TCP's
timeouts need a host that does not answer. psycopg has a limit on each wait, which is all that is used here. The limit
applies to a request as a whole, however many statements it takes and however often it connects.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg import generators, sql
from psycopg.errors import OperationalError
from psycopg.pq import ExecStatus, TransactionStatus

from rest.sqlstates import is_of_the_session

REQUEST_PATIENCE_SECONDS = 3.0  # longer than a lock is waited for (lock_timeout), shorter than a client waits
PROBE_PATIENCE_SECONDS = 1.0
LEAST_WAIT_SECONDS = 0.001

ARRIVED_AT = "procedures.arrived_at"
"""Where a WSGI environment says when its request arrived, by `time.monotonic`."""

_patience_ends_at: ContextVar[float | None] = ContextVar("patience_ends_at", default=None)


@contextmanager
def patience(seconds: float, since: float | None = None) -> Iterator[None]:
    """Let the statements inside wait that long, all together. Commands do not use this and wait as long as they must.

    Args:
        seconds: How long.
        since: Since when, by `time.monotonic`; since now by default.

    Raises:
        OperationalError: PostgreSQL has not answered in time. The connection is closed: what it did is not known.
    """
    token = _patience_ends_at.set((time.monotonic() if since is None else since) + seconds)
    try:
        yield
    finally:
        _patience_ends_at.reset(token)


def renew_patience(**_signal: object) -> None:
    """Let the statements that follow wait as long as those of a request that begins now.

    For a list of any length, which takes many statements (receiver of `build_goes_on`): a server that does not answer
    is given up, not one that has much to answer.
    """
    if _patience_ends_at.get() is not None:
        _patience_ends_at.set(time.monotonic() + REQUEST_PATIENCE_SECONDS)


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that is given up when its server does not answer in time.

    Attributes:
        is_useless: Whether an error has shown that this session may never do better, while another might.
    """

    is_useless = False
    _transaction_settings: tuple[bytes, ...] = ()

    @property
    def is_read_only(self) -> bool:
        """Whether the session's transactions are read-only by default, as the server has said before it was closed."""
        return not self.closed and self.pgconn.parameter_status(b"default_transaction_read_only") == b"on"

    def set_in_each_transaction(self, settings: Mapping[str, str]) -> None:
        """Let each transaction begin with these settings, in the statement that begins it."""
        self._transaction_settings = tuple(
            sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(value)).as_bytes(self)
            for name, value in settings.items()
        )

    def _start_query(self) -> Any:
        """Begin a transaction where one is due, as psycopg does, and in the same round trip set what is to be set."""
        if self.autocommit or self.pgconn.transaction_status != TransactionStatus.IDLE:
            return
        self._check_connection_ok()
        self.pgconn.send_query(b"; ".join((self._get_tx_start_command(), *self._transaction_settings)))
        for result in (yield from generators.execute(self.pgconn)):
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result)

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> Any:
        """Connect in steps, and give up when `patience` is over; psycopg's own limit is 2 s at least.

        psycopg takes the next step ten times a second at least, whether the server has answered or not.
        """
        steps = super()._connect_gen(conninfo)
        try:
            awaited = next(steps)
            while True:
                check_patience()
                awaited = steps.send((yield awaited))
        except StopIteration as connected:
            return connected.value

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for an answer, no longer than `patience` allows."""
        limit_seconds = _remaining_seconds() if timeout is None else timeout
        try:
            return super().wait(gen, interval=interval, timeout=limit_seconds)
        except psycopg.errors._WaitTimeout:  # it has no public name
            if timeout is not None:
                raise  # psycopg's own limit, and its affair
            self.close()
            raise OperationalError("PostgreSQL has not answered in time.") from None
        except psycopg.Error as error:
            if is_of_the_session(error.sqlstate):
                self.is_useless = True
            raise


def check_patience() -> None:
    """Raise `OperationalError` if there is no time left to connect in."""
    remaining = _remaining_seconds()
    if remaining is not None and remaining <= LEAST_WAIT_SECONDS:
        raise OperationalError("PostgreSQL has not answered in time.")


def _remaining_seconds() -> float | None:
    ends_at = _patience_ends_at.get()
    return None if ends_at is None else max(ends_at - time.monotonic(), LEAST_WAIT_SECONDS)
