"""The patterns of text slots, and bounds on what one may cost (docs/adr/0015).

RE2 matches in time that is linear in the text, whatever an author writes. But each byte of the text may take a step for
every instruction of the compiled pattern, compiling holds the interpreter, and what is compiled stays in memory. So
there is a bound on the memory of one compiled pattern and of all that are kept, on what an author's definition costs to
compile, and on what an operator's submission costs to match. Costs are in instructions: one takes about 1.5 µs to
compile, and about 10 ns for each byte of a text at worst.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

MAX_PATTERN_BYTES = 256 * 1024  # compiled; room for about 5,000 instructions, and for the states that matching adds
KEPT_BYTES = 32 * 1024 * 1024
MAX_COMPILING_COST = 50_000
MAX_MATCHING_COST = 40_000_000

COST_OF_CHARACTER = 4  # for reading one character of the pattern
COST_OF_UNICODE_CLASS = 100  # in addition, for reading a class such as \pL, which is long

OPTIONS = re2.Options()
OPTIONS.max_mem = MAX_PATTERN_BYTES
OPTIONS.never_capture = True  # nobody asks what a group matched
OPTIONS.log_errors = False  # an author's mistake belongs in the answer, not on standard error


class InvalidPattern(ValueError):
    """The text is not an RE2 pattern; the message says why."""


class PatternTooLarge(Exception):
    """The pattern exceeds its bound, or the patterns that are compiled together exceed theirs."""


class TextTooLong(Exception):
    """The text, after those before it, costs too much to match."""


def check_pattern(pattern: str) -> None:
    """Compile a pattern.

    Raises:
        InvalidPattern: it is not a pattern.
        PatternTooLarge: it is too large.
    """
    _compiled(pattern)


def is_too_large(pattern: str) -> bool:
    """Tell whether a pattern, published before there was a bound, can no longer be compiled."""
    try:
        check_pattern(pattern)
    except PatternTooLarge:
        return True
    return False


class Compiling:
    """The compiling of one definition's patterns."""

    def __init__(self) -> None:
        self._left = MAX_COMPILING_COST
        self._seen: set[str] = set()

    def check(self, pattern: str) -> None:
        """Compile one more pattern.

        Raises:
            InvalidPattern: it is not a pattern.
            PatternTooLarge: it is too large, or the definition's patterns together are.
        """
        if pattern in self._seen:
            return
        if self._left <= 0:
            raise PatternTooLarge("The patterns of the procedure are too large together.")
        self._left -= _cost_of_reading(pattern)
        try:
            self._left -= _compiled(pattern).programsize
        except PatternTooLarge:
            self._left -= MAX_COMPILING_COST // 10  # about what it takes to find out
            raise
        self._seen.add(pattern)


@dataclass(slots=True)
class Matching:
    """The matching of one submission's texts.

    Attributes:
        left: What further texts may cost.
    """

    left: int = MAX_MATCHING_COST

    def matches(self, pattern: str, text: str) -> bool:
        """Tell whether a pattern matches the whole of one more text.

        Raises:
            PatternTooLarge: the pattern was published before there was a bound.
            TextTooLong: the text costs too much to match.
        """
        compiled = _compiled(pattern)
        self.left -= compiled.programsize * len(text.encode())
        if self.left < 0:
            raise TextTooLong
        return compiled.fullmatch(text) is not None


def _cost_of_reading(pattern: str) -> int:
    return len(pattern) * COST_OF_CHARACTER + pattern.lower().count(r"\p") * COST_OF_UNICODE_CLASS


def _compiled(pattern: str) -> Any:
    compiled = _compiled_or_refused(pattern)
    if isinstance(compiled, Exception):
        raise type(compiled)(*compiled.args)
    return compiled


@lru_cache(maxsize=KEPT_BYTES // MAX_PATTERN_BYTES)
def _compiled_or_refused(pattern: str) -> Any:
    """Return the compiled pattern, or the exception that says why there is none: both are worth keeping."""
    try:
        return re2.compile(pattern, OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode()
        if reason.startswith("pattern too large"):
            return PatternTooLarge("The pattern is too large.")
        return InvalidPattern(reason)
    finally:
        re2.purge()  # its own cache is bounded by number alone
