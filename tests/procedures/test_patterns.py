"""Patterns compile and match within bounds, whatever an author writes."""

from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest
import re2

from procedures.patterns import (
    KEPT_BYTES,
    Compiling,
    InvalidPattern,
    Matching,
    PatternTooLarge,
    TextTooLong,
    check_pattern,
)

LARGE = r"\pL{3}"  # almost as large as may be
TOO_LARGE = r"\pL{30}"


@pytest.mark.parametrize("pattern", ["(", "(a)\\1", "(?=a)", "a{1001}", "*", "(pattern too large"])
def test_something_that_is_not_an_re2_pattern_does_not_compile(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "right", "wrong"),
    [
        (r"[A-Z]{2}-\d{6}", "AB-123456", "AB-123456\n"),
        (r"(\d+)(?:-(?P<part>\d+))?", "12-3", "12-"),
        (r"[\pL .'-]{1,4}", "Zoë.", "Zoë99"),
        (r"\pL[\pL .'-]*", "Łukasz O'Neill-Ørsted", " Ada"),
        (r"(?i)lot \d{1,40}", "LOT 7", "LOT"),
        (LARGE, "äöü", "äö"),
    ],
)
def test_a_pattern_matches_the_whole_of_a_text(pattern: str, right: str, wrong: str) -> None:
    assert Matching().matches(pattern, right)
    assert not Matching().matches(pattern, wrong)


@pytest.mark.parametrize("pattern", [TOO_LARGE, r"\pL{300}", r"\pL[\pL .'-]{0,60}", r"(?i)(\pL\pN\pS\pP\pM){50}"])
def test_a_pattern_whose_program_is_too_large_does_not_compile(pattern: str) -> None:
    for _ in range(2):  # the second time, the refusal is known
        with pytest.raises(PatternTooLarge):
            check_pattern(pattern)


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda index: rf"{LARGE}{index}", 15),
        (lambda index: rf"{TOO_LARGE}{index}", 15),
        (lambda index: r"\pL|\pN|" * 62 + str(index), 15),
        (lambda index: "x{500}" + str(index), 100),
        (lambda index: f"{index}(" * 80, 100),
    ],
    ids=["large", "too-large", "long-to-read", "long", "invalid"],
)
def test_the_patterns_of_a_definition_have_a_bound_together(
    make: Callable[[int], str], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    compile_pattern = re2.compile

    def watched(pattern: str, options: object) -> object:
        read.append(pattern)
        return compile_pattern(pattern, options)

    monkeypatch.setattr(re2, "compile", watched)
    compiling = Compiling()

    for index in range(1000):
        with suppress(InvalidPattern, PatternTooLarge):
            compiling.check(make(index))

    assert 2 <= len(read) <= most
    with pytest.raises(PatternTooLarge):
        compiling.check("another")


def test_hundreds_of_ordinary_patterns_are_within_the_bound() -> None:
    compiling = Compiling()

    for index in range(400):
        compiling.check(rf"[A-Z]{{3}}-\d{{4}}-{index}")


def test_a_pattern_that_a_definition_repeats_counts_once() -> None:
    compiling = Compiling()

    for _ in range(1000):
        compiling.check(LARGE)


def test_the_texts_of_a_submission_have_a_bound_together() -> None:
    matching, text = Matching(), "äöü" * 900

    assert [matching.matches(LARGE, text) for _ in range(2)] == [False, False]
    with pytest.raises(TextTooLong):
        matching.matches(LARGE, text)


def test_an_ordinary_pattern_matches_the_longest_text() -> None:
    assert Matching().matches(r"[\pL\d .,;:()-]*", "Große " * 1666)


def test_what_is_compiled_takes_no_more_memory_than_its_bound() -> None:
    process = psutil.Process()
    before = process.memory_info().rss

    for index in range(1000):
        assert not Matching().matches(rf"[^a]{{500}}{index}", "a")

    assert process.memory_info().rss - before < KEPT_BYTES / 2
