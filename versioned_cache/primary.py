"""Versions are read from the primary. A standby may be behind, and its versions would be believed for a lease."""

import psycopg
from psycopg.pq.abc import PGconn


class IsStandby(psycopg.OperationalError):
    """The server follows another. Nothing was asked of it."""

    def __init__(self) -> None:
        super().__init__("The server is a standby, and may be behind its primary.")


def says_standby(session: PGconn) -> bool:
    """Tell whether the server has said of itself that it is a standby, when the session began or when that changed.

    It costs no question. A pooler may repeat what it was told long ago, or say nothing.
    """
    return session.parameter_status(b"in_hot_standby") == b"on"
