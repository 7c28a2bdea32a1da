"""The hook that bumps after COMMIT, among savepoints that are rolled back and other apps' hooks that fail."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procedures.caches import procedure_resource
from tests.factories import unhurried
from versioned_cache.engine import VersionedCache
from versioned_cache.invalidation import invalidate_on_commit
from versioned_cache.keys import Resource

RESOURCES = [procedure_resource(key) for key in "abcd"]
GIBSON = procedure_resource("gibson")


class Savepoint(NamedTuple):
    """What is written under a savepoint, in order, and how it ends. The outermost is the transaction."""

    writes: "Sequence[Resource | Savepoint]"
    is_rolled_back: bool

    def run(self) -> None:
        """Write it all, nested as it is."""
        with transaction.atomic():
            for write in self.writes:
                if isinstance(write, Savepoint):
                    write.run()
                else:
                    invalidate_on_commit(write)
            transaction.set_rollback(self.is_rolled_back)

    @property
    def committed(self) -> set[Resource]:
        """The resources that must be bumped."""
        if self.is_rolled_back:
            return set()
        return set().union(*(write.committed if isinstance(write, Savepoint) else {write} for write in self.writes))


def savepoints(writes: st.SearchStrategy[Resource | Savepoint]) -> st.SearchStrategy[Savepoint]:
    """Draw savepoints under which such things are written."""
    return st.builds(Savepoint, st.lists(writes, max_size=4), st.booleans())


@pytest.fixture
def bumps(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> list[list[Resource]]:
    """What the cache was told to bump, one entry a round trip."""
    round_trips: list[list[Resource]] = []
    monkeypatch.setattr(VersionedCache, "invalidate", lambda _, resources: round_trips.append(list(resources)))
    return round_trips


@settings(unhurried, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(savepoints(st.recursive(st.sampled_from(RESOURCES), savepoints, max_leaves=12)))
def test_what_was_committed_is_bumped_once_in_one_round_trip_and_nothing_else_is(
    bumps: list[list[Resource]], outermost: Savepoint
) -> None:
    bumps.clear()

    outermost.run()

    assert len(bumps) == bool(outermost.committed)
    assert sorted(resource.name for round_trip in bumps for resource in round_trip) == sorted(
        resource.name for resource in outermost.committed
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis")
def test_however_much_is_written_under_one_savepoint_one_hook_waits_for_the_commit() -> None:
    with transaction.atomic():
        for resource in RESOURCES * 10:
            invalidate_on_commit(resource)
        with transaction.atomic():
            for resource in RESOURCES * 10:
                invalidate_on_commit(resource)

        assert len(connection.run_on_commit) == 2


@pytest.fixture
def failing_bump(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bump that fails as nobody foresaw."""

    def fail(_cache: VersionedCache, _resources: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(VersionedCache, "invalidate", fail)


def write_among_other_hooks(hook: Callable[[], object]) -> None:
    """Commit a write, with a hook of another app before it and after it."""
    with transaction.atomic():
        transaction.on_commit(hook)
        invalidate_on_commit(GIBSON)
        transaction.on_commit(hook)


@pytest.mark.usefixtures("failing_bump")
def test_a_bump_that_fails_fails_neither_the_write_nor_other_hooks() -> None:
    ran: list[int] = []

    write_among_other_hooks(lambda: ran.append(1))

    assert ran == [1, 1]


def test_a_hook_of_another_app_that_fails_finds_the_bump_made(bumps: list[list[Resource]]) -> None:
    with pytest.raises(ZeroDivisionError):
        write_among_other_hooks(lambda: 1 // 0)

    assert bumps == [[GIBSON]]
