"""Threads that do their work again and again while a test goes on."""

import threading
from collections.abc import Callable
from typing import Any


class Threads:
    """Threads that repeat their work until they are told to end; the first failure of any of them fails the test."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        self._failures: list[BaseException] = []
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[..., object], *arguments: Any) -> None:
        """Repeat this work in a thread of its own."""

        def repeat() -> None:
            try:
                while not self.ending.is_set():
                    work(*arguments)
            except BaseException as failure:
                self._failures.append(failure)
                raise

        thread = threading.Thread(target=repeat, daemon=True)
        self._threads.append(thread)
        thread.start()

    def go_on(self, seconds: float) -> None:
        """Let them work for a time."""
        self.ending.wait(seconds)
        self.raise_failures()

    def end(self) -> None:
        """Wait until each has done what it is at."""
        self.ending.set()
        for thread in self._threads:
            thread.join()

    def raise_failures(self) -> None:
        """Raise the first failure, if there was any."""
        if self._failures:
            raise self._failures[0]
