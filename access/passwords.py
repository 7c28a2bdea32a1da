"""Password hashing within bounds: it is the one costly thing that anybody may ask for.

Note [Hashing slots]. A hash takes tens of milliseconds of a core and megabytes by design, and whoever reaches a login
page can ask for any number of them. So a process hashes two passwords at a time, whatever they are hashed for. The next
ones wait a while, and are then refused with nothing done.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher

from access import metrics

HASHINGS_AT_ONCE = 2
WAIT_SECONDS = 2.0


class PasswordsBusy(Exception):
    """Too many passwords are being hashed; this one was not looked at."""


class HashingSlots:
    """So many hashings at a time, and no more. Safe to share between threads.

    Args:
        slots: How many.
        wait_seconds: How long the next one waits for its turn.
    """

    def __init__(self, slots: int, wait_seconds: float) -> None:
        self._semaphore = threading.BoundedSemaphore(slots)
        self._wait_seconds = wait_seconds

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot inside the block.

        Raises:
            PasswordsBusy: none became free in time.
        """
        if not self._semaphore.acquire(timeout=self._wait_seconds):
            metrics.PASSWORDS_REFUSED.inc()
            raise PasswordsBusy
        try:
            yield
        finally:
            self._semaphore.release()


slots = HashingSlots(HASHINGS_AT_ONCE, WAIT_SECONDS)


class BoundedArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id as OWASP recommends it first (Password Storage Cheat Sheet): 46 MiB, one pass, one lane.

    Django's own 100 MiB in eight lanes take eight threads, for nothing where logins come in numbers. Its hashes are
    verified as they were made, and made anew when their owner logs in.
    """

    time_cost = 1
    memory_cost = 46 * 1024  # KiB; above 32 MiB glibc gives memory back at once
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with slots.one():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with slots.one():
            return super().verify(password, encoded)


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """For passwords from elsewhere. It verifies by encoding, so that one slot is all it takes."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with slots.one():
            return super().encode(password, salt, iterations)
