"""Looking at the cache and mending it by hand."""

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from redis import Redis

from procedures.caches import PROCEDURE_LIST, procedure_resource, read_procedure_list
from runs.caches import run_resource
from tests import factories
from versioned_cache.breaker import CacheUnavailable
from versioned_cache.configuration import redis_caches
from versioned_cache.engine import cache
from versioned_cache.management.commands import bump_cache
from versioned_cache.management.commands.bump_cache import BATCH
from versioned_cache.versions import committed_version

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def version(redis: Redis) -> int:
    """The version of a list that has been read, and so is cached."""
    factories.publish(factories.body("gibson"))
    read_procedure_list()
    return committed_version(PROCEDURE_LIST) or 0


def output_of(*arguments: str) -> str:
    """Return what a command prints."""
    output = io.StringIO()
    call_command(*arguments, stdout=output, stderr=io.StringIO())
    return output.getvalue()


def test_inspect_cache_shows_version_counter_lease_and_payload(version: int) -> None:
    shown = output_of("inspect_cache", "procedures:list")

    assert f"version in PostgreSQL  {version}" in shown
    assert f"counter in Redis       {version}" in shown
    assert "ms left" in shown
    assert "bytes, shape" in shown


def test_inspect_cache_says_what_is_absent(version: int, redis: Redis) -> None:
    redis.flushdb()

    shown = output_of("inspect_cache", "procedures:procedure:gibson")

    assert "counter in Redis       none" in shown
    assert "none under this version" in shown


def test_inspect_cache_explains_the_names_of_resources(version: int) -> None:
    with pytest.raises(CommandError, match=re.escape("write list, procedure:{key} or run:{run_id}.")):
        output_of("inspect_cache", "gibson")


def test_inspect_cache_shows_what_postgresql_says_while_redis_does_not_answer(version: int, settings: Settings) -> None:
    output = io.StringIO()
    settings.CACHES = redis_caches("redis://127.0.0.1:1/0", client_name="test")  # nobody listens there

    with pytest.raises(CommandError, match="Redis does not answer"):
        call_command("inspect_cache", "list", stdout=output)

    assert output.getvalue() == f"procedures:list\n  version in PostgreSQL  {version}\n"


def test_bump_cache_bumps_one_resource(version: int, redis: Redis) -> None:
    gibson = committed_version(procedure_resource("gibson"))

    output_of("bump_cache", "list")

    bumped = committed_version(PROCEDURE_LIST) or 0
    assert bumped > version
    assert redis.get(PROCEDURE_LIST.counter_key) == str(bumped).encode()
    assert committed_version(procedure_resource("gibson")) == gibson


def test_bump_cache_all_lifts_every_version_to_the_clock(version: int) -> None:
    before = committed_version(procedure_resource("gibson")) or 0

    assert output_of("bump_cache", "--all").startswith("Bumped: ")

    assert (committed_version(PROCEDURE_LIST) or 0) > version
    assert (committed_version(procedure_resource("gibson")) or 0) > before


MANY = 11_000


@pytest.fixture
def keys(db: None) -> Iterator[list[str]]:
    """The keys of the counters of many runs that have versions but do not exist."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM resource_version")  # what other tests have left: nobody truncates the table
        cursor.execute(
            "INSERT INTO resource_version (resource, version, raised_by)"
            " SELECT 'procedures:run:' || number, 1, pg_current_xact_id() FROM generate_series(1, %s) number",
            [MANY],
        )
        yield [f"procedures:run:{number}:version" for number in range(1, MANY + 1)]
        cursor.execute("DELETE FROM resource_version")


def test_bump_cache_all_bumps_tens_of_thousands_in_batches(keys: list[str], redis: Redis) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert output_of("bump_cache", "--all") == f"Bumped: {MANY}.\n"

    assert None not in redis.mget(keys)
    statements = [query["sql"] for query in captured if not re.match("BEGIN|COMMIT", query["sql"])]
    assert len(statements) <= 1 + 3 + 3 * (MANY // BATCH)  # the count, the names; the bump and the versions


def test_bump_cache_says_what_redis_did_not_take_and_exits_with_1(
    keys: list[str], redis: Redis, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bump_cache, "PAUSE_SECONDS", 0)
    redis.config_set("min-replicas-to-write", 1)  # it has none
    try:
        with pytest.raises(CommandError, match=f"Redis did not take {MANY} of them") as failure:
            output_of("bump_cache", "--all")
    finally:
        redis.config_set("min-replicas-to-write", 0)

    assert failure.value.returncode == 1
    assert committed_version(run_resource(MANY)) != 1
    assert len(capfd.readouterr().err) < 10_000  # no line for each


def test_bump_cache_tries_a_batch_again(version: int, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bump_cache, "PAUSE_SECONDS", 0)
    bump, calls = cache.bump, []

    def fail_once(resources: Any) -> None:
        calls.append(resources)
        if len(calls) == 1:
            raise CacheUnavailable("once")
        bump(resources)

    monkeypatch.setattr(cache, "bump", fail_once)

    assert output_of("bump_cache", "procedures:list") == "Bumped: 1.\n"

    assert len(calls) == 2
    assert redis.get(PROCEDURE_LIST.counter_key) == str(committed_version(PROCEDURE_LIST)).encode()


def test_bump_cache_bumps_nothing_that_is_unknown(version: int) -> None:
    with pytest.raises(CommandError, match="No such resource: procedures:run:nope"):
        output_of("bump_cache", "procedures:list", "procedures:run:nope")

    assert committed_version(PROCEDURE_LIST) == version


def test_bump_cache_wants_to_know_what(version: int) -> None:
    with pytest.raises(CommandError, match="--all"):
        output_of("bump_cache")
