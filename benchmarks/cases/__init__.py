"""What is measured: one module a path of the design's table of goals (DESIGN §8)."""

from collections.abc import Callable

from benchmarks.cases import changes, cold, commits, conditional, crowds, hit, miss, outage, pages, scale
from benchmarks.measurement import Findings, Measurement

CASES: dict[str, Callable[[Measurement], Findings]] = {
    "hit": hit.measure,
    "gzip": hit.measure_gzip,
    "conditional": conditional.measure,
    "outage": outage.measure,
    "miss": miss.measure,
    "cold": cold.measure,
    "changes": changes.measure,
    "commits": commits.measure,
    "scale": scale.measure,
    "pages": pages.measure,
    "crowds": crowds.measure,
}
