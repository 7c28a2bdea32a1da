"""What came of it: a table for people, the same as JSON, and the page in docs/ that explains both."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.scorecard.contestants import ALL
from benchmarks.scorecard.scenarios import SCENARIOS
from benchmarks.scorecard.sightings import Entry, verdict_of
from tests import PROJECT_DIR

RESULTS = PROJECT_DIR / "benchmarks" / "results" / "scorecard.json"
PAGE = PROJECT_DIR / "docs" / "scorecard.md"
SHOWN_VERSIONS = ("postgresql", "valkey", "django", "django-cacheops", "django-cachalot", "drf-extensions")

INTRODUCTION = """\
# The freshness scorecard

How long after a write can a read still show what was there before it? Our cache and its peers, each set up as its
documentation recommends, play the same races and faults on real PostgreSQL and Valkey. Every schedule is
deterministic: processes of their own stop at a statement, at COMMIT, or for ever, and go on when they are told to. A
write is over when it is acknowledged (or, where its writer fails or dies, when that is seen and the change is
committed); from then on two readers ask again and again.

    make scorecard

"""

LEGEND = """\
*fresh*: no read was stale. *0.9 s*: the last stale read began that long after the write. *≥ {patience:g} s*: reads were
still stale when the observation ended; the last line says how long that can last. *write failed*: the change is
committed, but whoever asked for it got an error. *write refused*: an error, and nothing was written. *write took*: it
was acknowledged only then. Ours runs with a lease of {lease:g} s here (5 s by default): what breaks may cost that much,
and nothing more.

Measured on {date} on {cores} cores ({cpu}) with {versions}. The raw numbers are in `benchmarks/results/scorecard.json`.

"""


def write_report(entries: Sequence[Entry], about: dict[str, Any]) -> str:
    """Write the results and the page, and return the table.

    Args:
        entries: Every scenario of every contestant.
        about: The machine, the versions, and how it was played.
    """
    results = about | {"entries": [_as_json(entry) for entry in entries]}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table = _table(entries)
    PAGE.write_text(INTRODUCTION + table + "\n" + _legend(about) + _explanations(), encoding="utf-8")
    return table


def _as_json(entry: Entry) -> dict[str, Any]:
    sighting = asdict(entry.sighting)
    del sighting["written"]["at"]  # of a clock that nobody else has
    return {"contestant": entry.contestant.slug, "scenario": entry.scenario, "verdict": verdict_of(entry.sighting)} | {
        name: round(value, 3) if isinstance(value, float) else value for name, value in sighting.items()
    }


def _table(entries: Sequence[Entry]) -> str:
    verdicts = {(entry.contestant.slug, entry.scenario): verdict_of(entry.sighting) for entry in entries}
    rows = [
        ["", *(one.name for one in ALL)],
        ["---"] * (1 + len(ALL)),
        *([scenario.name, *(verdicts[one.slug, scenario.name] for one in ALL)] for scenario in SCENARIOS),
        ["*a stale body lasts*", *(one.lifetime for one in ALL)],
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _legend(about: dict[str, Any]) -> str:
    return LEGEND.format(
        patience=about["patience_seconds"],
        lease=about["lease_ms"] / 1000,
        date=about["date"],
        cores=about["cores"],
        cpu=about["cpu"],
        versions=", ".join(f"{name} {about['versions'][name]}" for name in SHOWN_VERSIONS),
    )


def _explanations() -> str:
    scenarios = [f"- **{one.name}**: {one.story}\n" for one in SCENARIOS]
    contestants = [f"- **{one.name}**: {one.setup} {one.weakness} ({one.source})\n" for one in ALL]
    return "".join(["## The scenarios\n\n", *scenarios, "\n## Who plays\n\n", *contestants])
