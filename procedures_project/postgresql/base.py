"""The backend: django-prometheus's, over connections that are given up when they can only fail.

A pooler may lend each transaction another session of the server (PgBouncer's transaction mode), so nothing is set for
a session: timeouts are set with each BEGIN.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.signals import request_started
from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.postgresql import base
from django_prometheus.db.backends.postgresql.base import DatabaseWrapper as MeasuredDatabaseWrapper
from psycopg import IsolationLevel

from procedures_project.postgresql.waiting import ImpatientConnection
from rest.sqlstates import Meaning, meaning_of
from versioned_cache.primary import IsStandby, says_standby

TRANSACTION_SETTINGS = "transaction_settings"
"""The entry of a database's OPTIONS that names what is set in each transaction, with the values."""

READ_ONLY_SESSION_SECONDS = 1.0  # after which it is given up: a role's default is read when a session begins


class _ImpatientDatabaseWrapper(base.DatabaseWrapper):
    """Adds to Django's own what `rest.error_answers` asks of a request: whether something may have been committed.

    Attributes:
        may_have_committed: Whether a transaction of the request, or a write outside a transaction, was carried out or
            may have been.
    """

    may_have_committed = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.execute_wrappers.append(self._note_write)
        self._connected_at = 0.0

    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        parameters.pop(TRANSACTION_SETTINGS, None)
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        # Like Django's, which names psycopg's own class; no other isolation level is set here.
        self.isolation_level = IsolationLevel.READ_COMMITTED
        connection = ImpatientConnection.connect(**conn_params)
        if says_standby(connection.pgconn) and _is_standby(connection):
            connection.close()
            raise IsStandby
        connection.set_in_each_transaction(self.settings_dict["OPTIONS"].get(TRANSACTION_SETTINGS, {}))
        self._connected_at = time.monotonic()
        return connection

    def is_usable(self) -> bool:
        """Tell whether the session can do what is asked of it next; Django asks before a request, and after errors."""
        session = self.connection
        if session is None or session.is_useless:
            return False
        if session.is_read_only and time.monotonic() - self._connected_at > READ_ONLY_SESSION_SECONDS:
            return False
        return bool(super().is_usable())

    def _commit(self) -> None:
        with self._committing():
            super()._commit()  # type: ignore[misc]  # the stubs do not know it

    def _note_write(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if self.in_atomic_block or str(sql).startswith("SELECT"):
            return execute(sql, params, many, context)
        with self._committing():
            return execute(sql, params, many, context)

    @contextmanager
    def _committing(self) -> Iterator[None]:
        try:
            yield
        except (DatabaseError, InterfaceError) as error:
            if meaning_of(getattr(error.__cause__, "sqlstate", None)) is Meaning.LOST:
                self.may_have_committed = True
            raise
        self.may_have_committed = True


class DatabaseWrapper(MeasuredDatabaseWrapper, _ImpatientDatabaseWrapper):  # type: ignore[misc]  # untyped base class
    """The connection of a thread to PostgreSQL."""


def _is_standby(connection: ImpatientConnection) -> bool:
    """Ask the server whether it is a standby: a pooler may say so long after it was promoted."""
    connection.autocommit = True
    return connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)


def _forget_commits(**_request: Any) -> None:
    for connection in connections.all(initialized_only=True):
        if isinstance(connection, DatabaseWrapper):
            connection.may_have_committed = False


request_started.connect(_forget_commits)
