"""Looking at the cache and mending it by hand."""

import io
import re

import pytest
from django.core.management import CommandError, call_command
from redis import Redis

from procedures.caches import PROCEDURE_LIST, procedure_resource, read_procedure_list
from tests import factories
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
    with pytest.raises(CommandError, match=re.escape("procedures:procedure:{key}")):
        output_of("inspect_cache", "list")


def test_bump_cache_bumps_one_resource(version: int, redis: Redis) -> None:
    gibson = committed_version(procedure_resource("gibson"))

    output_of("bump_cache", "procedures:list")

    bumped = committed_version(PROCEDURE_LIST) or 0
    assert bumped > version
    assert redis.get(PROCEDURE_LIST.counter_key) == str(bumped).encode()
    assert committed_version(procedure_resource("gibson")) == gibson


def test_bump_cache_all_lifts_every_version_to_the_clock(version: int) -> None:
    before = committed_version(procedure_resource("gibson")) or 0

    assert output_of("bump_cache", "--all").startswith("Bumped: ")

    assert (committed_version(PROCEDURE_LIST) or 0) > version
    assert (committed_version(procedure_resource("gibson")) or 0) > before


def test_bump_cache_bumps_nothing_that_is_unknown(version: int) -> None:
    with pytest.raises(CommandError, match="No such resource: procedures:run:nope"):
        output_of("bump_cache", "procedures:list", "procedures:run:nope")

    assert committed_version(PROCEDURE_LIST) == version


def test_bump_cache_wants_to_know_what(version: int) -> None:
    with pytest.raises(CommandError, match="--all"):
        output_of("bump_cache")
