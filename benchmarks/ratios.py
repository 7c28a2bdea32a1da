"""Paired ratios: each round compares its own measurements, so what disturbs a whole round disturbs no ratio."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Round = Mapping[str, float]
"""What one round measured, by series."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of the rounds' ratios, and its quartiles."""

    median: float
    lower: float
    upper: float


def paired_ratios(rounds: Sequence[Round], subject: str, reference: str) -> list[float]:
    """Return each round's ratio of two series."""
    return [measured[subject] / measured[reference] for measured in rounds]


def ratio_of(rounds: Sequence[Round], subject: str, reference: str) -> Ratio:
    """Return the median of the paired ratios with its quartiles."""
    ratios = paired_ratios(rounds, subject, reference)
    if len(ratios) == 1:
        return Ratio(ratios[0], ratios[0], ratios[0])
    lower, median, upper = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, lower, upper)


def median_of(rounds: Sequence[Round], series: str) -> float:
    """Return the median of one series."""
    return statistics.median(measured[series] for measured in rounds)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One line of the table: a ratio, and what it ought to be.

    Attributes:
        path: What is compared, as the design's table of goals names it.
        conditions: Under which conditions.
        subject: The series above the line, as rates or as costs.
        reference: The series below it.
        ratio: What was measured.
        goal: What it ought to be at least; None where no goal is set.
        is_limit: The goal is what it ought to be at most.
    """

    path: str
    conditions: str
    subject: str
    reference: str
    ratio: Ratio
    goal: float | None = None
    is_limit: bool = False

    @property
    def is_met(self) -> bool | None:
        """Tell whether the median reaches the goal; None without a goal."""
        if self.goal is None:
            return None
        return self.ratio.median <= self.goal if self.is_limit else self.ratio.median >= self.goal

    @property
    def attainment(self) -> Ratio | None:
        """The ratio as a multiple of its goal: 1 is the goal and more is better, also where the goal is a limit."""
        if self.goal is None:
            return None
        if self.is_limit:
            return Ratio(self.goal / self.ratio.median, self.goal / self.ratio.upper, self.goal / self.ratio.lower)
        return Ratio(self.ratio.median / self.goal, self.ratio.lower / self.goal, self.ratio.upper / self.goal)
