"""Limits on how often a client may send requests, and the headers that report them.

The headers are those of draft-ietf-httpapi-ratelimit-headers-11. Each process counts on its own and asks nobody. A
client whose requests go to several workers gets the quota of each: it is never refused below its quota, and never gets
more than the quota times the number of workers.
"""

import math
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from cachetools import TTLCache

MAX_KEYS = 10_000  # about 3 MB per limiter at most


@dataclass(frozen=True, slots=True)
class Policy:
    """How often something may be done.

    Attributes:
        name: Its name in the headers: printable ASCII without quotes.
        quota: How many times it may be done in a window.
        window_seconds: The length of a window, in seconds.
    """

    name: str
    quota: int
    window_seconds: int = 60


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A quota that is used up.

    Attributes:
        policy: The policy that sets the quota.
        seconds_left: How long the window still lasts, in whole seconds, at least one.
    """

    policy: Policy
    seconds_left: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell a client what it exceeded, and when to try again."""
        name, quota, window = self.policy.name, self.policy.quota, self.policy.window_seconds
        return {
            "Retry-After": str(self.seconds_left),
            "RateLimit-Policy": f'"{name}";q={quota};w={window}',
            "RateLimit": f'"{name}";r=0;t={self.seconds_left}',
        }


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int = 0


class RateLimiter:
    """Counts uses by key, in windows that begin with a key's first use. Safe to share between threads.

    Its memory is bounded: beyond `MAX_KEYS` keys, the least recently used ones start from zero.

    Args:
        policy: The quota of each key.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, policy: Policy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: TTLCache[Hashable, _Window] = TTLCache(MAX_KEYS, policy.window_seconds, clock)

    def take(self, key: Hashable) -> Exceeded | None:
        """Count one use by the key; if its quota is used up, count nothing and return what was exceeded."""
        with self._lock:
            window = self._window_of(key)
            if window.used < self._policy.quota:
                window.used += 1
                return None
            return self._exceeded(window)

    def exceeded(self, key: Hashable) -> Exceeded | None:
        """Return what `take` would return, without counting a use."""
        with self._lock:
            window = self._windows.get(key)
            return None if window is None or window.used < self._policy.quota else self._exceeded(window)

    def _window_of(self, key: Hashable) -> _Window:
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(self._clock() + self._policy.window_seconds)
        return window

    def _exceeded(self, window: _Window) -> Exceeded:
        return Exceeded(self._policy, max(1, math.ceil(window.ends_at - self._clock())))
