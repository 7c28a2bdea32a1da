"""Two operators commit the same step at the same moment.

one      holds the lock on the run, has recorded its commit, has not committed its transaction
other    finds nothing recorded yet, and waits for the lock
one      commits
other    gets the lock, reads the ledger, and finds the step committed
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections, transaction

from access.roles import Role
from runs.actions import StepAlreadyCommitted
from runs.models import Run
from tests import factories

PATIENCE_SECONDS = 10


def commit_elsewhere(run: Run, operator: User) -> str:
    """Commit the step on a connection of its own, and tell what came of it."""
    try:
        factories.commit(run, "measure", operator)
    except StepAlreadyCommitted as refusal:
        return f"refused for seq {refusal.event.seq}"
    finally:
        connections.close_all()
    return "recorded"


def wait_until_somebody_waits_for_a_lock() -> None:
    """Return when a backend of this database waits."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                return
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)


@pytest.mark.django_db(transaction=True)
def test_one_is_recorded_and_the_other_is_told(person: Callable[[Role], User], redis: object) -> None:
    operator = person(Role.OPERATOR)
    run = factories.start(operator)

    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic():
            factories.commit(run, "measure", operator)
            other = thread.submit(commit_elsewhere, run, operator)
            wait_until_somebody_waits_for_a_lock()
        outcome = other.result()

    assert outcome == "refused for seq 2"
    assert list(run.events.values_list("seq", flat=True)) == [1, 2]
