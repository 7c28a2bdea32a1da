"""What is derived from a ledger: status, step states, what comes next."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rest import timestamps
from runs.progress import LedgerLine, PinnedStep, Progress, progress_of
from runs.states import STEP_KINDS
from tests.factories import unhurried

NOW = timestamps.to_milliseconds(datetime.now(UTC))
STEPS = [PinnedStep(key, title=key) for key in "abc"]


def line(seq: int, entry: str, *, deviates: bool = False) -> LedgerLine:
    """The line of an event such as `commit a` or `pause`."""
    kind, _, key = entry.partition(" ")
    return LedgerLine(seq, kind, key or None, deviates, f"because of {seq}", NOW + timedelta(minutes=seq))


def after(*story: str, ordering: str = "strict") -> Progress:
    """Where a run of the steps a, b and c stands after events such as `commit a` or `pause`."""
    return progress_of(ordering, STEPS, [line(seq, entry) for seq, entry in enumerate(("start", *story), start=1)])


def states(progress: Progress) -> dict[str, str]:
    return {each.step.key: str(each.state) for each in progress.steps}


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ([], "available pending pending"),
        (["commit a"], "committed available pending"),
        (["commit a", "skip b"], "committed skipped available"),
        (["skip a", "amend a"], "committed available pending"),
        (["commit a", "pause"], "committed available pending"),
        (["commit a", "abort"], "committed pending pending"),
        (["commit a", "commit b", "commit c"], "committed committed committed"),
    ],
)
def test_states_in_strict_order(story: list[str], expected: str) -> None:
    assert " ".join(states(after(*story)).values()) == expected


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ([], "available available available"),
        (["commit b"], "available committed available"),
        (["commit b", "abort"], "pending committed pending"),
    ],
)
def test_states_in_any_order(story: list[str], expected: str) -> None:
    assert " ".join(states(after(*story, ordering="any")).values()) == expected


@pytest.mark.parametrize(
    ("story", "status"),
    [
        ([], "in_progress"),
        (["pause"], "paused"),
        (["pause", "resume"], "in_progress"),
        (["commit a", "abort"], "aborted"),
        (["pause", "abort"], "aborted"),
        (["commit a", "commit b"], "in_progress"),
        (["commit a", "commit b", "skip c"], "completed"),
        (["commit a", "commit b", "skip c", "amend c"], "completed"),
    ],
)
def test_the_status_follows_from_the_ledger(story: list[str], status: str) -> None:
    assert after(*story).status == status


def test_next_steps_are_the_available_ones() -> None:
    assert after("commit a").next_steps == ["b"]
    assert after("commit b", ordering="any").next_steps == ["a", "c"]
    assert after("abort").next_steps == []


def test_progress_counts_resolved_steps() -> None:
    progress = after("commit a", "skip b", "amend a")

    assert (progress.resolved, progress.total) == (2, 3)


def test_the_newest_amendment_is_effective() -> None:
    progress = after("commit a", "amend a", "commit b", "amend a").of("a")

    assert progress.effective is not None
    assert (progress.effective.seq, progress.amended) == (5, True)


def test_a_commit_without_amendment_is_effective_itself() -> None:
    progress = after("commit a").of("a")

    assert progress.effective is not None
    assert (progress.effective.seq, progress.amended, progress.deviated) == (2, False, False)


def test_an_unresolved_step_has_no_effective_event() -> None:
    progress = after().of("a")

    assert (progress.effective, progress.resolved, progress.amended, progress.deviated) == (None, False, False, False)


def test_a_skipped_step_is_not_amended() -> None:
    assert not after("skip a").of("a").amended
    assert after("skip a", "amend a").of("a").amended


def test_a_step_deviates_when_what_counts_does() -> None:
    start, commit, correction = line(1, "start"), line(2, "commit a", deviates=True), line(3, "amend a")
    relapse = line(4, "amend a", deviates=True)

    assert progress_of("strict", STEPS, [start, commit]).of("a").deviated
    assert not progress_of("strict", STEPS, [start, commit, correction]).of("a").deviated
    assert progress_of("strict", STEPS, [start, commit, correction, relapse]).of("a").deviated


def test_the_blocking_steps_are_the_earlier_unresolved_ones() -> None:
    assert after("commit a").unresolved_before("c") == ["b"]
    assert after("commit a").unresolved_before("a") == []


def test_an_unfinished_run_has_no_end() -> None:
    progress = after("commit a", "pause")

    assert (progress.ended_at, progress.end_reason) == (None, None)


def test_an_aborted_run_ended_with_the_abort_and_its_reason() -> None:
    progress = after("commit a", "abort")

    assert (progress.ended_at, progress.end_reason) == (NOW + timedelta(minutes=3), "because of 3")


def test_a_completed_run_ended_with_the_event_that_resolved_the_last_step() -> None:
    progress = after("commit a", "commit b", "commit c", "amend a")

    assert (progress.ended_at, progress.end_reason) == (NOW + timedelta(minutes=4), None)


@unhurried
@given(st.permutations("abc"), st.integers(0, 3), st.sampled_from(["strict", "any"]))
def test_every_step_is_in_one_state_and_the_counts_agree(order: Any, count: int, ordering: str) -> None:
    progress = after(*(f"commit {key}" for key in order[:count]), ordering=ordering)

    committed = [key for key, state in states(progress).items() if state == "committed"]
    assert sorted(committed) == sorted(order[:count])
    assert progress.resolved == count
    assert (progress.status == "completed") is (count == 3)
    assert (progress.next_steps == []) is (count == 3)


entries = st.one_of(
    st.builds("{} {}".format, st.sampled_from(STEP_KINDS), st.sampled_from("abc")),
    st.sampled_from(["pause", "resume", "abort"]),
)


@given(st.lists(entries, max_size=8), st.sampled_from(["strict", "any"]))
def test_progress_after_an_event_is_the_progress_of_the_longer_ledger(story: list[str], ordering: str) -> None:
    lines = [line(1, "start")]
    progress = progress_of(ordering, STEPS, lines)

    for seq, entry in enumerate(story, start=2):
        lines.append(line(seq, entry))
        progress = progress.after(lines[-1])

    assert progress == progress_of(ordering, STEPS, lines)
