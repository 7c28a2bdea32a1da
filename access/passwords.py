"""Bounds on password hashing, the one costly thing that anyone can ask for without a token.

Note [Hashing slots]. By design a hash takes tens of milliseconds of a core and megabytes of memory, and anyone who
reaches a login page can ask for any number of hashes. So a process hashes at most two passwords at a time, whatever
they are for. The others wait a while, and are then refused with nothing done. The hashing itself is done by threads of
lower priority than those of requests: a reader must not wait while others log in.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher

from access import metrics

HASHINGS_AT_ONCE = 2
WAIT_SECONDS = 2.0
NICENESS = 10  # by which a thread that hashes steps back behind those of requests (setpriority(2))

Hash = TypeVar("Hash")


class PasswordsBusy(Exception):
    """Too many passwords are being hashed; this one was not checked."""


class HashingSlots:
    """Limits how many hashings run at a time. Safe to share between threads.

    Args:
        slots: How many.
        wait_seconds: How long one waits for a free slot, in seconds.
    """

    def __init__(self, slots: int, wait_seconds: float) -> None:
        self._semaphore = threading.BoundedSemaphore(slots)
        self._wait_seconds = wait_seconds

    @contextlib.contextmanager
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


def hash_in_turn(hashing: Callable[[], Hash]) -> Hash:
    """Hash a password once there is a slot, in a thread that yields to those of requests.

    Raises:
        PasswordsBusy: no slot became free in time.
    """
    with slots.one():
        return _threads.submit(hashing).result()


def _be_nice() -> None:
    with contextlib.suppress(OSError):  # only Linux has a priority for each thread
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)


slots = HashingSlots(HASHINGS_AT_ONCE, WAIT_SECONDS)
_threads = ThreadPoolExecutor(HASHINGS_AT_ONCE, thread_name_prefix="hashing", initializer=_be_nice)


class BoundedArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id with OWASP's first recommendation (Password Storage Cheat Sheet): 46 MiB, one pass, one lane.

    Django's default of 100 MiB in eight lanes takes eight threads, which gains nothing when many people log in at once.
    Hashes made with it are still verified, and replaced when their owner logs in.
    """

    time_cost = 1
    memory_cost = 46 * 1024  # KiB; above 32 MiB glibc returns memory at once
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return hash_in_turn(partial(super().encode, password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        return hash_in_turn(partial(super().verify, password, encoded))


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """For passwords hashed elsewhere. It verifies by encoding, so a verification takes one slot."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        return hash_in_turn(partial(super().encode, password, salt, iterations))
