"""How long a request waits for PostgreSQL: for a server that takes connections and says nothing."""

import socket
from collections.abc import Iterator

import psycopg
import pytest

from procedures_project.embedded import HOST
from procedures_project.postgresql.waiting import ImpatientConnection, patience


@pytest.fixture
def silent_port() -> Iterator[int]:
    """The port of a server that takes connections and says nothing, as a frozen one does."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server.getsockname()[1]


def test_to_connect_takes_no_longer_than_there_is_patience(silent_port: int) -> None:
    with patience(0.2), pytest.raises(psycopg.OperationalError, match="has not answered in time"):
        ImpatientConnection.connect(host=HOST, port=silent_port, connect_timeout=2)


def test_whoever_has_all_the_time_waits_as_long_as_libpq_says(silent_port: int) -> None:
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        ImpatientConnection.connect(host=HOST, port=silent_port, connect_timeout=2)
