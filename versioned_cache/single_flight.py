"""One build at a time for each version in this process: the others wait for it (single flight)."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class _Flight(Generic[Result]):
    """A call under way."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.result: Result | None = None


class SingleFlight(Generic[Result]):
    """The calls under way in this process, by key. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight[Result]] = {}

    def call(self, key: Hashable, function: Callable[[], Result], wait_seconds: float) -> tuple[Result | None, bool]:
        """Call `function`, or wait for whoever already does so under this key.

        Returns:
            The result, and whether this caller made the call. No result where another's call failed, or took
            longer than `wait_seconds`.
        """
        with self._lock:
            flight = self._flights.get(key)
            is_first = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if not is_first:
            flight.ended.wait(wait_seconds)
            return flight.result, False
        try:
            flight.result = function()
            return flight.result, True
        finally:
            with self._lock:
                del self._flights[key]
            flight.ended.set()
