"""Fixtures for all tests: an empty Redis, a person of each role, and HTTP clients that carry their tokens.

Tests with a demo (system/, faults/) also have a procedure and a run in it.
"""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import Client
from django_redis import get_redis_connection
from redis import Redis

from access.actions import issue_token
from access.roles import Role
from tests.meetings import isolated
from versioned_cache.engine import VersionedCache, cache
from versioned_cache.store import Store

if TYPE_CHECKING:  # most tests need no demo
    from tests.system.demo import Demo

Result = TypeVar("Result")
BumpedBy = Callable[[Callable[[], object]], set[str]]


def pytest_collection_finish() -> None:
    """Let the garbage collector skip what is loaded: to scan it takes longer than the timeout for Redis."""
    gc.collect()
    gc.freeze()


# The database never lets anyone empty these tables, but the teardown of tests has to.
SWITCH = """
DO $$ DECLARE watched regclass; BEGIN
    FOR watched IN SELECT tgrelid FROM pg_trigger WHERE tgname = 'is_never_emptied' LOOP
        EXECUTE format('ALTER TABLE %s {} TRIGGER is_never_emptied', watched);
    END LOOP;
END $$
"""


@pytest.fixture(scope="session", autouse=True)
def _tests_may_empty_tables() -> Iterator[None]:
    """Let the teardown of a test that commits truncate every table, which the database normally refuses."""
    truncation = DatabaseOperations.sql_flush

    def sql_flush(*arguments: Any, **options: Any) -> list[str]:
        return [SWITCH.format("DISABLE"), *truncation(*arguments, **options), SWITCH.format("ENABLE ALWAYS")]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
        yield


@pytest.fixture
def redis(django_db_blocker: Any) -> Iterator[Redis]:
    """The real Redis of the settings, empty before and after the test."""
    connection = get_redis_connection("default")
    connection.flushdb()
    if cache.store.breaker.is_open:  # an earlier test has broken Redis
        with django_db_blocker.unblock():  # which may owe bumps
            cache.look()
    yield connection
    connection.flushdb()


@pytest.fixture
def bumped_by(redis: Redis, django_capture_on_commit_callbacks: Any) -> BumpedBy:
    """Return the names of the counters in Redis that a write bumps, as if it were committed."""

    def bumped_by(write: Callable[[], object]) -> set[str]:
        for key in redis.scan_iter("procedures:*:version"):
            redis.delete(key)  # as if its lease had ended: reads inside a transaction make no counter, so a bump did
        connection.run_on_commit.clear()  # what was written before is as good as committed
        with django_capture_on_commit_callbacks(execute=True):
            write()
            connection.check_constraints()  # what is deferred until COMMIT happens now
        return {key.decode() for key in redis.scan_iter("procedures:*:version")}

    return bumped_by


class ApiClient(Client):
    """A Django test client that sends JSON and a bearer token."""

    def __init__(self, token: str | None) -> None:
        super().__init__(headers={"Authorization": f"Bearer {token}"} if token else None)

    def post(self, path: str, data: Any = None, content_type: str = "application/json", **extra: Any) -> Any:  # type: ignore[override]
        """POST `data` as JSON."""
        return super().post(path, {} if data is None else data, content_type, **extra)

    def put(self, path: str, data: Any = None, content_type: str = "application/json", **extra: Any) -> Any:  # type: ignore[override]
        """PUT `data` as JSON."""
        return super().put(path, {} if data is None else data, content_type, **extra)


@pytest.fixture
def person(db: None) -> Callable[[Role], User]:
    """Return the person of a role; the first call creates it."""

    def person_of(role: Role) -> User:
        user, _ = User.objects.get_or_create(username=f"test-{role}")
        # A test that commits truncates every table at its end, including the groups from the migration.
        user.groups.add(Group.objects.get_or_create(name=role)[0])
        return user

    return person_of


@pytest.fixture
def admin_user(db: None) -> User:
    """The superuser of `admin_client`, without a password, because hashing one is slow."""
    return User.objects.create_superuser("admin")


@pytest.fixture
def client_of(person: Callable[[Role], User], redis: Redis) -> Callable[[Role], ApiClient]:
    """Return an HTTP client that carries a token of a role's person."""
    return lambda role: ApiClient(issue_token(user=person(role), name="test"))


@pytest.fixture
def viewer(client_of: Callable[[Role], ApiClient]) -> ApiClient:
    """A client that may read."""
    return client_of(Role.VIEWER)


@pytest.fixture
def operator(client_of: Callable[[Role], ApiClient]) -> ApiClient:
    """A client that may also execute runs."""
    return client_of(Role.OPERATOR)


@pytest.fixture
def supervisor(client_of: Callable[[Role], ApiClient]) -> ApiClient:
    """A client that may also abort runs, and commit supervisors' steps."""
    return client_of(Role.SUPERVISOR)


@pytest.fixture
def author(client_of: Callable[[Role], ApiClient]) -> ApiClient:
    """A client that may read and write procedures."""
    return client_of(Role.AUTHOR)


@pytest.fixture
def anonymous(db: None, redis: Redis) -> ApiClient:
    """A client without a token."""
    return ApiClient(None)


@pytest.fixture
def elsewhere() -> Callable[[Callable[[], Result]], Result]:
    """Run something to its end in another thread, and so over another connection to PostgreSQL."""

    def run(operation: Callable[[], Result]) -> Result:
        with ThreadPoolExecutor(max_workers=1) as thread:
            return thread.submit(isolated, operation).result()

    return run


@pytest.fixture
def store(redis: Redis) -> Store:
    """A store of cached payloads, as a fresh process has it."""
    return Store()


@pytest.fixture
def process(redis: Redis) -> Callable[[], VersionedCache]:
    """Return the cache of one more process: it shares Redis and PostgreSQL with the others, but no memory."""
    return lambda: VersionedCache(Store())


@pytest.fixture
def procedure_key(demo: "Demo") -> Iterator[str]:
    """The key of a procedure of two plain steps in the demo, which nobody has read yet."""
    with demo.procedure() as key:
        yield key


@pytest.fixture
def run_id(demo: "Demo", procedure_key: str) -> str:
    """The id of a run in the demo that nobody has read yet."""
    return demo.start_run(procedure_key)
