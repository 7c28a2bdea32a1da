"""The arithmetic of the table."""

import pytest

from benchmarks.ratios import Comparison, Ratio, median_of, paired_ratios, ratio_of

# The second round was disturbed, and so both series have an outlier.
ROUNDS = [{"ours": 300.0, "peer": 100.0}, {"ours": 30.0, "peer": 10.0}, {"ours": 400.0, "peer": 100.0}]


def comparison(ratio: Ratio, goal: float | None, *, is_limit: bool = False) -> Comparison:
    return Comparison("hit", "1 connection", "ours", "peer", ratio, goal, is_limit)


def test_a_ratio_is_taken_within_its_round() -> None:
    assert paired_ratios(ROUNDS, "ours", "peer") == [3.0, 3.0, 4.0]


def test_the_ratio_is_the_median_of_the_rounds_with_its_quartiles() -> None:
    assert ratio_of(ROUNDS, "ours", "peer") == Ratio(3.0, 3.0, 3.5)


def test_a_ratio_of_one_round_is_that_rounds() -> None:
    assert ratio_of(ROUNDS[:1], "ours", "peer") == Ratio(3.0, 3.0, 3.0)


def test_a_disturbed_round_moves_a_median_more_than_a_paired_ratio() -> None:
    assert median_of(ROUNDS, "ours") / median_of(ROUNDS, "peer") == 3.0
    assert ratio_of(ROUNDS[:2], "ours", "peer").median == 3.0


@pytest.mark.parametrize(
    ("goal", "is_limit", "is_met"),
    [(2.0, False, True), (2.5, False, True), (3.0, False, False), (3.0, True, True), (2.0, True, False)],
)
def test_a_goal_is_met_on_its_own_side(goal: float, is_limit: bool, is_met: bool) -> None:
    assert comparison(Ratio(2.5, 2.0, 3.0), goal, is_limit=is_limit).is_met is is_met


def test_without_a_goal_nothing_is_met_or_missed() -> None:
    line = comparison(Ratio(2.5, 2.0, 3.0), None)

    assert line.is_met is None
    assert line.attainment is None


def test_attainment_is_better_when_more_for_limits_too() -> None:
    assert comparison(Ratio(4.0, 2.0, 8.0), 2.0).attainment == Ratio(2.0, 1.0, 4.0)
    assert comparison(Ratio(4.0, 2.0, 8.0), 8.0, is_limit=True).attainment == Ratio(2.0, 1.0, 4.0)
