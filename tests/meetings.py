"""Two requests that meet: the first has done its work and holds its locks, the other waits for them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection, connections, transaction

from tests.processes import eventually

Result = TypeVar("Result")


def meet(first: Callable[[], Any], other: Callable[[], Any], then: Callable[[], Any] = tuple) -> tuple[Any, Any]:
    """Return the results of `first` and of `other`, which begins on another connection before `first` is committed.

    `then` is what the first does when the other waits. Only for tests with `transaction=True`: what `first` reads must
    be committed.
    """
    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic():
            first_outcome = first()
            waiting = thread.submit(isolated, other)
            _wait_until_somebody_waits_for_a_lock()
            then()
        return first_outcome, waiting.result()


def isolated(operation: Callable[[], Result]) -> Result:
    """Return the result of an operation, and close the connections to PostgreSQL of the thread that runs it."""
    try:
        return operation()
    finally:
        connections.close_all()


def _wait_until_somebody_waits_for_a_lock() -> None:
    with connection.cursor() as cursor:

        def somebody_waits() -> bool:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(cursor.fetchone() != (0,))

        eventually(somebody_waits)
