"""How long a request waits for PostgreSQL: for a server that takes connections and says nothing."""

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence

import psycopg
import pytest
from django.db import OperationalError, connection

from procedures.caches import FINGERPRINT, PROCEDURE_LIST, PROCEDURES
from procedures_project.embedded import HOST
from procedures_project.postgresql import waiting
from procedures_project.postgresql.waiting import ImpatientConnection, patience
from rest import exact_json
from tests.factories import body, publish
from versioned_cache import composer
from versioned_cache.composer import ItemSource
from versioned_cache.engine import VersionedCache


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


@pytest.mark.django_db(transaction=True)
def test_a_session_that_was_given_up_is_replaced_between_requests() -> None:
    with connection.cursor() as cursor:
        with patience(0.2), pytest.raises(OperationalError, match="has not answered in time"):
            cursor.execute("SELECT pg_sleep(2)")
        connection.close_if_unusable_or_obsolete()

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_a_list_that_takes_many_statements_is_built_though_all_together_take_longer(
    process: Callable[[], VersionedCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(keys: Sequence[str]) -> Mapping[str, bytes]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.3)")
        return PROCEDURES.bodies(keys)

    for number in range(4):
        publish(body(f"procedure-{number}"))
    monkeypatch.setattr(composer, "ITEMS_A_STATEMENT", 1)
    monkeypatch.setattr(waiting, "REQUEST_PATIENCE_SECONDS", 0.6)

    with patience(0.6):
        read = process().read(PROCEDURE_LIST, FINGERPRINT, ItemSource(PROCEDURES.kind, PROCEDURES.identifiers, slowly))

    assert len(exact_json.loads_stored(bytes(read.body or b"").decode())) == 4
