"""A clock for what the process remembers for some seconds."""

import time


class Clock:
    """The process's clock, which a test may move forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead
