"""Measure everything side by side: `python -m benchmarks`, printed as a table."""

import argparse
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import django

from tests.servers import ENVIRONMENT

# The tests' tools import models, which need settings; nothing connects to these.
os.environ |= ENVIRONMENT | {"DATABASE_URL": "postgresql:///unused", "REDIS_URL": "redis://unused"}
os.environ["DJANGO_SETTINGS_MODULE"] = "procedures_project.settings"
django.setup()
# One logs that it has looked for fonts, the other every request.
for talkative in ("matplotlib", "httpx"):
    logging.getLogger(talkative).setLevel(logging.WARNING)

from benchmarks import chart, machine, report  # noqa: E402
from benchmarks.cases import CASES, before, changes  # noqa: E402
from benchmarks.measurement import Findings, Measurement, Plan  # noqa: E402
from benchmarks.stores import running_stores  # noqa: E402

RESULTS = Path(__file__).parent / "results"
FULL = Plan(rounds=9, seconds=1.0, is_quick=False)
QUICK = Plan(rounds=1, seconds=0.2, is_quick=True)


def main(argv: list[str]) -> None:
    """Measure, write and print."""
    options = _options(argv)
    plan = _plan(options)
    cases_at_hand = CASES | (_cases_with(options.before) if options.before else {})
    names = [options.only] if options.only else list(cases_at_hand)
    cases: dict[str, Findings] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="procedures-bench-")))
        stores = stack.enter_context(running_stores(folder))
        described = machine.describe(stores.versions())
        measurement = Measurement(stores, folder, plan, _say, random.Random())  # noqa: S311  # no secret
        for name in names:
            started = time.monotonic()
            _say(f"{name} …")
            cases[name] = cases_at_hand[name](measurement)
            _say(f"{name}: {time.monotonic() - started:.0f} s")
    results = options.results or (RESULTS if set(CASES) <= set(names) and plan == FULL else _drafts())
    _write(results, options.name, described, plan, cases)


def _cases_with(folder: Path) -> dict[str, Callable[[Measurement], Findings]]:
    """Return the cases that compare with another tree."""
    return {"before": partial(before.measure, before=folder), "changes": partial(changes.measure, before=folder)}


def _write(results: Path, name: str, described: dict[str, object], plan: Plan, cases: dict[str, Findings]) -> None:
    results.mkdir(parents=True, exist_ok=True)
    table = report.markdown(described, asdict(plan), cases)
    report.write_json(results / f"{name}.json", described, asdict(plan), cases)
    (results / "table.md").write_text(table, encoding="utf-8")
    chart.draw([line for findings in cases.values() for line in findings.comparisons], results, "ratios")
    _say(f"\n{table}\nWritten to {results}")


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else FULL
    return replace(plan, rounds=options.rounds or plan.rounds, seconds=options.seconds or plan.seconds)


def _drafts() -> Path:
    """Return where an incomplete measurement goes, since it must not take the place of a complete one."""
    return Path(tempfile.mkdtemp(prefix="procedures-bench-results-"))


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run: it shows that all works, not how fast")
    parser.add_argument("--only", choices=[*CASES, "before"], help="only this case")
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="compare with the tree in that folder, too")
    parser.add_argument("--rounds", type=int, help=f"by default {FULL.rounds}, of a quick run {QUICK.rounds}")
    parser.add_argument(
        "--seconds", type=float, help=f"of a rate; by default {FULL.seconds:g}, of a quick run {QUICK.seconds:g}"
    )
    parser.add_argument("--name", default="full", help="of the JSON file")
    parser.add_argument(
        "--results", type=Path, help="where to write; by default benchmarks/results, or a new folder if incomplete"
    )
    return parser.parse_args(argv)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
