"""Lock waits are bounded, even at COMMIT, and end in a 503 that says that nothing was written."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

from access.roles import Role
from runs.caches import run_resource
from runs.models import Run
from tests import factories
from tests.conftest import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(person: Callable[[Role], User]) -> Run:
    """A run, committed."""
    return factories.start(person(Role.OPERATOR))


@pytest.fixture
def impatient() -> Iterator[None]:
    """Give up waiting for locks sooner than the service does, to keep the test short."""
    session: Any = connection.connection
    session.set_in_each_transaction({"lock_timeout": "100ms"})
    yield
    connection.close()


@contextmanager
def locked_elsewhere(statement: str, *arguments: UUID | str) -> Iterator[None]:
    """Hold the locks of a statement in another transaction inside the block."""
    is_locked, is_over = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement, arguments)
                is_locked.set()
                is_over.wait(timeout=30)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        holding = thread.submit(hold)
        assert is_locked.wait(timeout=10)
        try:
            yield
        finally:
            is_over.set()
            holding.result()


def assert_announced(answer: Any) -> None:
    """Assert that the answer says that nothing was changed, and when to try again."""
    assert answer.status_code == 503
    assert answer.json()["type"] == "/problems/unavailable"
    assert answer.json()["detail"] == "Nothing was changed; try again."
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_commit_that_waits_too_long_for_its_run_is_announced_and_writes_nothing(
    run: Run, operator: ApiClient, impatient: None
) -> None:
    with locked_elsewhere("SELECT FROM runs_run WHERE id = %s FOR UPDATE", run.pk):
        answer = operator.post(f"/runs/{run.pk}/steps/measure/commit")

    assert_announced(answer)
    assert list(run.events.values_list("seq", flat=True)) == [1]
    assert operator.post(f"/runs/{run.pk}/steps/measure/commit").status_code == 201


def test_a_commit_that_waits_too_long_for_its_version_is_announced_and_writes_nothing(
    run: Run, operator: ApiClient, impatient: None
) -> None:
    name = run_resource(run.pk).name
    with locked_elsewhere("SELECT FROM resource_version WHERE resource = %s FOR UPDATE", name):
        answer = operator.post(f"/runs/{run.pk}/steps/measure/commit")

    assert_announced(answer)
    assert list(run.events.values_list("seq", flat=True)) == [1]
    assert Run.objects.get(pk=run.pk).last_seq == 1


def test_a_write_that_fails_at_its_very_commit_is_announced_and_writes_nothing(
    run: Run, author: ApiClient, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # If the version is not settled first, the deferred triggers wait for the lock at COMMIT itself.
    monkeypatch.setattr("procedures.actions.settled_version", lambda _: None)
    name = "procedures:list"
    with locked_elsewhere("SELECT FROM resource_version WHERE resource = %s FOR UPDATE", name):
        answer = author.post("/procedures", factories.body("unheard-of"))

    assert_announced(answer)
    assert author.get("/procedures/unheard-of").status_code == 404
