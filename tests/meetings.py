"""Two requests that meet: the first has done its work and holds its locks, the other waits for them."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection, connections, transaction

PATIENCE_SECONDS = 10


def meet(first: Callable[[], Any], other: Callable[[], Any]) -> tuple[Any, Any]:
    """Return what came of `first`, and of `other`, which began on another connection before `first` was committed.

    Only for tests with `transaction=True`: what `first` finds must be committed.
    """
    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic():
            first_outcome = first()
            waiting = thread.submit(_isolated, other)
            _wait_until_somebody_waits_for_a_lock()
        return first_outcome, waiting.result()


def _isolated(operation: Callable[[], Any]) -> Any:
    try:
        return operation()
    finally:
        connections.close_all()


def _wait_until_somebody_waits_for_a_lock() -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                return
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.01)
