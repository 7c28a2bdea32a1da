"""What a project says about its cache in its settings, and what holds when it says nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django_redis import get_redis_connection

from versioned_cache import configuration
from versioned_cache.connection import DeadlineParser

CLIENT_NAMES = {configuration.READS: "books-reads", configuration.BUMPS: "books-bumps"}


@pytest.fixture
def connect(settings: Any) -> Callable[[str, str], Any]:
    """Return a function that makes a connection by the settings for a server, given the cache's alias and a URL."""

    def connected(alias: str, url: str) -> Any:
        settings.CACHES = configuration.redis_caches(url, client_name="books")
        return get_redis_connection(alias).connection_pool.make_connection()

    return connected


@pytest.mark.parametrize(("alias", "client_name"), CLIENT_NAMES.items())
@pytest.mark.parametrize("suffix", ["", "?db=0"])
def test_each_purpose_has_connections_of_its_own_that_the_server_can_tell_apart(
    connect: Callable[[str, str], Any], settings: Any, alias: str, client_name: str, suffix: str
) -> None:
    connection = connect(alias, settings.REDIS_URL + suffix)

    connection.send_command("CLIENT", "GETNAME")

    assert connection.read_response().decode() == client_name


@pytest.mark.parametrize(
    ("alias", "seconds"),
    [
        (configuration.READS, configuration.READ_TIMEOUT_SECONDS),
        (configuration.BUMPS, configuration.BUMP_TIMEOUT_SECONDS),
    ],
)
def test_nobody_waits_for_longer_than_its_purpose_allows(
    connect: Callable[[str, str], Any], settings: Any, alias: str, seconds: float
) -> None:
    connection = connect(alias, settings.REDIS_URL)

    assert isinstance(connection._parser, DeadlineParser)
    assert connection.socket_timeout == seconds
    assert connection.retry.get_retries() == 0


@pytest.mark.parametrize(
    ("read", "name", "default", "own"),
    [
        (configuration.lease_ms, "CACHE_LEASE_MS", 5000, 250),
        (configuration.metric_prefix, "CACHE_METRIC_PREFIX", "versioned_cache", "books_cache"),
        (configuration.event_prefix, "CACHE_EVENT_PREFIX", "versioned_cache", "books_cache"),
    ],
)
def test_a_setting_is_the_projects_or_has_a_default(
    settings: Any, read: Any, name: str, default: object, own: object
) -> None:
    delattr(settings, name)
    assert read() == default

    setattr(settings, name, own)
    assert read() == own
