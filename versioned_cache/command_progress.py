"""How far a long command has come: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.core.management.base import OutputWrapper
from tqdm import tqdm

LINE_EVERY_SECONDS = 10.0


@contextmanager
def progress(stream: OutputWrapper, total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Show how many of `total` are done while the block runs; it is given what it calls with how many more are.

    Args:
        stream: The command's standard error.
        total: How many there are.
        unit: What they are, in the plural.
    """
    if stream.isatty():
        with tqdm(total=total, unit=f" {unit}", file=sys.stderr) as bar:
            yield bar.update
    else:
        yield _Lines(stream, total, unit)


class _Lines:
    def __init__(self, stream: OutputWrapper, total: int, unit: str) -> None:
        self._stream = stream
        self._total = total
        self._unit = unit
        self._done = 0
        self._quiet_until = time.monotonic() + LINE_EVERY_SECONDS

    def __call__(self, more: int) -> None:
        self._done += more
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + LINE_EVERY_SECONDS
            self._stream.write(f"{self._done} of {self._total} {self._unit}")
