"""The backend: django-prometheus's, over connections that are given up when the server does not answer."""

from typing import Any

from django.db.backends.postgresql import base
from django_prometheus.db.backends.postgresql.base import DatabaseWrapper as MeasuredDatabaseWrapper
from psycopg import IsolationLevel

from procedures_project.postgresql.waiting import ImpatientConnection


class _ImpatientDatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        # As Django's, which names psycopg's own class; no other isolation level is set here.
        self.isolation_level = IsolationLevel.READ_COMMITTED
        return ImpatientConnection.connect(**conn_params)


class DatabaseWrapper(MeasuredDatabaseWrapper, _ImpatientDatabaseWrapper):  # type: ignore[misc]  # untyped base class
    """The connection of a thread to PostgreSQL."""
