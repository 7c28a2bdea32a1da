"""What is printed to standard error while a server runs is events."""

import sys
import threading

import pytest
from structlog.testing import capture_logs

from procedures_project.printed_lines import MAX_LINE, PrintedLines, printed_lines_logged


def test_each_line_is_an_event_when_it_has_ended() -> None:
    with capture_logs() as events, printed_lines_logged():
        print("one\n\n  two", end="", file=sys.stderr)  # noqa: T201
        print(" and more\nthree", end="", file=sys.stderr)  # noqa: T201

    assert [(event["event"], event["text"]) for event in events] == [("printed", "one"), ("printed", "  two and more")]


def test_a_line_without_an_end_is_cut() -> None:
    with capture_logs() as events:
        PrintedLines().write("x" * (2 * MAX_LINE + 1))

    assert [len(event["text"]) for event in events] == [MAX_LINE, MAX_LINE]


def test_what_ends_a_thread_is_one_event_with_its_traceback() -> None:
    def fail() -> None:
        raise KeyError("bug")

    with capture_logs() as events, printed_lines_logged():
        thread = threading.Thread(target=fail, name="worker")
        thread.start()
        thread.join()

    (event,) = events
    assert (event["event"], event["log_level"], event["where"]) == ("thread_failed", "error", "worker")
    assert event["exc_info"][0] is KeyError


def test_a_thread_that_ends_itself_is_not_a_failure() -> None:
    with capture_logs() as events, printed_lines_logged():
        thread = threading.Thread(target=sys.exit)
        thread.start()
        thread.join()

    assert events == []


def test_what_cannot_be_raised_anywhere_is_an_event() -> None:
    class Broken:
        def __del__(self) -> None:
            raise KeyError("bug")

    with capture_logs() as events, printed_lines_logged():
        Broken()

    assert [(event["event"], event["exc_info"][0]) for event in events] == [("unraisable", KeyError)]


@pytest.mark.parametrize("hook", ["unraisablehook", "stderr"])
def test_afterwards_all_is_as_before(hook: str) -> None:
    before = getattr(sys, hook)

    with printed_lines_logged():
        assert getattr(sys, hook) is not before

    assert getattr(sys, hook) is before
