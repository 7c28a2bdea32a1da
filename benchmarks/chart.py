"""The ratios beside their goals, as a picture."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.ratios import Comparison, Ratio
from benchmarks.report import goal_text, ratio_text

mpl.use("Agg")  # no screen
# The same picture for the same numbers, in SVG too, and text that stays text.
mpl.rcParams |= {"svg.hashsalt": "benchmarks", "svg.fonttype": "none"}

from matplotlib import pyplot as plt  # noqa: E402  # after the backend is chosen
from matplotlib.axes import Axes  # noqa: E402

MET, MISSED = "#2a7f62", "#c0392b"
WIDTH_INCHES, LINE_INCHES, FRAME_INCHES = 10.0, 0.3, 1.4


def draw(lines: Sequence[Comparison], folder: Path, name: str) -> None:
    """Write the lines that have a goal as PNG and SVG."""
    drawn = [(line, line.attainment) for line in lines if line.attainment is not None]
    if not drawn:
        return
    figure, axes = plt.subplots(figsize=(WIDTH_INCHES, FRAME_INCHES + LINE_INCHES * len(drawn)), layout="constrained")
    for place, (line, attainment) in enumerate(reversed(drawn)):
        _draw_line(axes, place, line, attainment)
    _label(axes, [line for line, _ in reversed(drawn)])
    figure.savefig(folder / f"{name}.png", dpi=150)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def _draw_line(axes: Axes, place: int, line: Comparison, attainment: Ratio) -> None:
    colour = MET if line.is_met else MISSED
    axes.plot([attainment.lower, attainment.upper], [place, place], color=colour, linewidth=6, alpha=0.3)
    axes.plot([attainment.median], [place], "o", color=colour)
    axes.annotate(
        f"{line.ratio.median:.2f} (goal {goal_text(line)})",
        (attainment.upper, place),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
    )


def _label(axes: Axes, lines: Sequence[Comparison]) -> None:
    texts = [f"{line.path}, {line.conditions}: {ratio_text(line)}" for line in lines]
    axes.set_yticks(range(len(lines)), texts, fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.margins(x=0.25)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.margins(y=0.03)
    axes.set_xlabel("multiple of the goal: 1 is the goal, more is better; medians and quartiles", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
