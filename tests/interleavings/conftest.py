"""The stage of the races: one procedure, its writer, and readers in processes of their own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_django import Settings
from redis import Redis

from procedures.bodies import body_of_procedure
from procedures.caches import procedure_resource
from procedures.models import Procedure
from tests import factories
from tests.processes import eventually
from versioned_cache import breaker, configuration
from versioned_cache.engine import Representation, VersionedCache
from versioned_cache.servers import servers_of
from versioned_cache.versions import committed_version


def fetch_gibson() -> bytes:
    """Build the body of the stage's procedure."""
    body = body_of_procedure("gibson")
    assert body is not None
    return body


RESOURCE = procedure_resource("gibson")
SHAPE = "0123abcd"
PATIENCE_SECONDS = 10


@dataclass
class Stage:
    """What a schedule is written with."""

    redis: Redis
    elsewhere: Callable[[Callable[[], object]], object]

    def write(self, title: str) -> None:
        """Publish a revision on another connection, and bump its version, as a request does."""
        self.elsewhere(lambda: factories.publish(factories.body("gibson", title=title)))

    def write_without_bump(self, title: str) -> None:
        """Commit a change that Redis is not told of: a crash after COMMIT, a lost bump, psql."""
        self.elsewhere(lambda: Procedure.objects.update(tags=[title]))

    def read(self, cache: VersionedCache, fetcher: Callable[[], bytes] | None = None) -> Representation:
        """Read the procedure in the process of `cache`."""
        return cache.read(RESOURCE, SHAPE, fetcher or fetch_gibson)

    @property
    def version(self) -> int:
        """The committed version."""
        return committed_version(RESOURCE) or 0

    @property
    def counter(self) -> int | None:
        """The number that Redis holds; None when nobody has a lease."""
        number = self.redis.get(RESOURCE.counter_key)
        return None if number is None else int(number)

    def let_the_lease_end(self) -> None:
        """Wait until Redis has forgotten the counter."""
        eventually(lambda: self.counter is None)


@pytest.fixture
def stage(transactional_db: None, redis: Redis, elsewhere: Callable[[Callable[[], object]], object]) -> Stage:
    """A procedure titled "Old", committed, of which Redis knows nothing."""
    factories.publish(factories.body("gibson", title="Old"))
    redis.flushdb()
    return Stage(redis, elsewhere)


@pytest.fixture
def patience_with_redis(redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let processes made from now on wait for Redis: the tests are about what they do, not how busy this machine is."""
    for limit in ("READ_TIMEOUT_SECONDS", "BUMP_TIMEOUT_SECONDS"):
        monkeypatch.setattr(configuration, limit, PATIENCE_SECONDS)
    monkeypatch.setattr(breaker, "SLOW_SECONDS", PATIENCE_SECONDS)
    settings.CACHES = {name: _patient(entry) for name, entry in settings.CACHES.items()}
    yield
    for entry in settings.CACHES.values():
        servers_of(entry).renew()


def _patient(entry: dict[str, Any]) -> dict[str, Any]:
    options = entry["OPTIONS"] | {"SOCKET_TIMEOUT": PATIENCE_SECONDS, "SOCKET_CONNECT_TIMEOUT": PATIENCE_SECONDS}
    return {**entry, "LOCATION": [f"patient-{entry['LOCATION'][0]}"], "OPTIONS": options}
