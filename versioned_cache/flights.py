"""One build at a time for each version in this process: the others wait for it (single flight)."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class _Flight(Generic[Result]):
    """A build under way."""

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.result: Result | None = None


class Flights(Generic[Result]):
    """The builds under way in this process, by what they build."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, _Flight[Result]] = {}

    def lead(self, key: Hashable, build: Callable[[], Result], patience_seconds: float) -> tuple[Result | None, bool]:
        """Run `build`, or wait for whoever already runs it.

        Returns:
            The result, and whether this caller built it. No result where the other's build failed, or took
            longer than `patience_seconds`.
        """
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = _Flight()
        if not leads:
            flight.landed.wait(patience_seconds)
            return flight.result, False
        try:
            flight.result = build()
            return flight.result, True
        finally:
            with self._lock:
                del self._flights[key]
            flight.landed.set()
