"""What an error of PostgreSQL means for a request, by its SQLSTATE.

The codes are those of appendix A of PostgreSQL's manual (https://www.postgresql.org/docs/18/errcodes-appendix.html).
The classes of Python's exceptions would not do: they make an internal error of a read-only server.
"""

from enum import Enum


class Meaning(Enum):
    """What an error means.

    Attributes:
        UNDONE: The server cannot do it now, and has undone the transaction.
        LOST: The connection is lost. If COMMIT was under way, it may have been carried out.
        FAULT: The statement or what it is given is wrong: to repeat it would not help.
    """

    UNDONE = "undone"
    LOST = "lost"
    FAULT = "fault"


MEANINGS = {
    "08": Meaning.LOST,  # connection exception; PgBouncer says 08P01 of all that it cannot do
    "25006": Meaning.UNDONE,  # read_only_sql_transaction: a standby, default_transaction_read_only
    "25P03": Meaning.UNDONE,  # idle_in_transaction_session_timeout
    "25P04": Meaning.UNDONE,  # transaction_timeout
    "28": Meaning.UNDONE,  # invalid authorization specification: another password, a role that is gone
    "3D000": Meaning.UNDONE,  # invalid_catalog_name: a database that was renamed or dropped
    "40": Meaning.UNDONE,  # transaction rollback: serialization_failure, deadlock_detected
    "40002": Meaning.FAULT,  # transaction_integrity_constraint_violation
    "40003": Meaning.LOST,  # statement_completion_unknown
    "53": Meaning.UNDONE,  # insufficient resources: disk_full, out_of_memory, too_many_connections
    "55006": Meaning.UNDONE,  # object_in_use
    "55P03": Meaning.UNDONE,  # lock_not_available
    "57": Meaning.UNDONE,  # operator intervention: query_canceled, cannot_connect_now, idle_session_timeout
    "57P01": Meaning.LOST,  # admin_shutdown, also of pg_terminate_backend
    "57P02": Meaning.LOST,  # crash_shutdown
    "58": Meaning.UNDONE,  # system error: io_error
}
"""By SQLSTATE, or else by its class. Everything else is a fault."""

HARMLESS = frozenset({"40001", "40P01", "55006", "55P03", "57014"})
"""What says nothing about the session: other sessions caused it, or a time limit."""

OF_THE_SESSION = frozenset({"0A", "26", "34", "XX"})
"""Classes of faults that another session may not have: useless plans, lost statements and cursors, internal errors."""


def meaning_of(sqlstate: str | None) -> Meaning:
    """Return what an error means. Without a SQLSTATE, it did not come from a server: the connection failed."""
    if sqlstate is None:
        return Meaning.LOST
    return MEANINGS.get(sqlstate) or MEANINGS.get(sqlstate[:2]) or Meaning.FAULT


def is_of_the_session(sqlstate: str | None) -> bool:
    """Tell whether the session that an error came from may never do better, so that a new one is needed."""
    if sqlstate is None or sqlstate[:2] in OF_THE_SESSION:
        return True
    return meaning_of(sqlstate) is not Meaning.FAULT and sqlstate not in HARMLESS
