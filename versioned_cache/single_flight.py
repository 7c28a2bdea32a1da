"""One build at a time for each version in this process: the others wait for it (single flight).

Threads wait in `SingleFlight`. Requests in an event loop need no thread to wait in (`LoopFlights`), so that many who
want what is being built leave the threads to everybody else.
"""

import asyncio
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
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


class LoopFlight:
    """What one request has set out to get.

    Attributes:
        has_succeeded: Whether it got that.
    """

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.has_succeeded = False


class LoopFlights:
    """What is under way in this process, by key. For one event loop."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, LoopFlight] = {}

    async def another_succeeded(self, key: Hashable, wait_seconds: float) -> bool:
        """Wait for whoever is under way with this key; tell whether somebody was, and has succeeded in time.

        To be asked once by each: who finds nothing after that sets out, and does not wait for the next one in turn.
        """
        flight = self._flights.get(key)
        if flight is None:
            return False
        try:
            async with asyncio.timeout(wait_seconds):
                await flight.ended.wait()
        except TimeoutError:
            return False
        return flight.has_succeeded

    @contextmanager
    def one(self, key: Hashable) -> Iterator[LoopFlight]:
        """Be under way inside the block; others wait for the first of those who are."""
        flight = LoopFlight()
        is_first = self._flights.setdefault(key, flight) is flight
        try:
            yield flight
        finally:
            if is_first:
                del self._flights[key]
            flight.ended.set()
