"""Versions read from PostgreSQL in an event loop: by one statement for all who wait, and not for long."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from django.db import connection

from procedures.caches import procedure_resource
from tests import factories
from tests.faults.proxy import Mode, Proxy
from tests.processes import free_port
from versioned_cache.loop_reader import PATIENCE_SECONDS, SharedStatement
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)

GIBSON, NOBODY = procedure_resource("gibson"), procedure_resource("nobody")


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """A proxy before PostgreSQL."""
    with Proxy(free_port(), int(connection.get_connection_params()["port"])) as proxy:
        yield proxy


def test_each_read_is_given_its_version(transactional_db: None) -> None:
    factories.publish(factories.body("gibson"))

    async def play() -> list[int | None]:
        statement = SharedStatement(connection.get_connection_params())
        try:
            return await asyncio.gather(*(statement.get(resource) for resource in [GIBSON, NOBODY, GIBSON]))
        finally:
            await statement.close()

    version = committed_version(GIBSON)
    assert asyncio.run(play()) == [version, None, version]


def test_a_frozen_postgresql_is_not_waited_for_and_is_asked_again_when_it_is_back(proxy: Proxy) -> None:
    factories.publish(factories.body("gibson"))

    async def play() -> list[int | None]:
        statement = SharedStatement(connection.get_connection_params() | {"host": "127.0.0.1", "port": proxy.port})
        try:
            before = await statement.get(GIBSON)
            with proxy.behaving(Mode.HANG):
                for _ in range(2):  # over the connection that there is, and over a new one
                    async with asyncio.timeout(4 * PATIENCE_SECONDS):
                        with pytest.raises((psycopg.Error, TimeoutError)):
                            await statement.get(GIBSON)
            return [before, await statement.get(GIBSON)]
        finally:
            await statement.close()

    assert asyncio.run(play()) == [committed_version(GIBSON)] * 2
