"""The scorecard: `python -m benchmarks.scorecard`, printed as a table, and written to docs/ and benchmarks/results/."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.machine import describe
from benchmarks.scorecard.contestants import ALL, Contestant
from benchmarks.scorecard.report import write_report
from benchmarks.scorecard.scenarios import SCENARIOS, Scenario
from benchmarks.scorecard.servers import Servers, prepare, running_servers
from benchmarks.scorecard.sightings import Entry, verdict_of
from benchmarks.scorecard.stage import set_stage

LEASE_MS = 1000


def main(argv: list[str]) -> int:
    """Let everybody play everything, print, write, and return the exit code."""
    options = _options(argv)
    contestants = [one for one in ALL if options.only in (None, one.slug)]
    scenarios = [one for one in SCENARIOS if options.scenario in (None, one.name)]
    started = time.monotonic()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scorecard-")))
        servers = stack.enter_context(running_servers(folder))
        token = prepare(servers)
        about = describe(servers.versions()) | {"lease_ms": LEASE_MS, "patience_seconds": options.patience}
        entries = list(play(contestants, scenarios, servers, token, options.patience))
    _say(f"{len(entries)} scenarios played in {time.monotonic() - started:.0f} s")
    if len(entries) == len(ALL) * len(SCENARIOS):
        _say(write_report(entries, about))
    return 0


def play(
    contestants: Sequence[Contestant], scenarios: Sequence[Scenario], servers: Servers, token: str, patience: float
) -> Iterator[Entry]:
    """Let the contestants play the scenarios, one after the other, and say how each went."""
    for contestant in contestants:
        with set_stage(contestant, servers, token, lease_ms=LEASE_MS, patience=patience) as stage:
            for scenario in scenarios:
                entry = Entry(contestant, scenario.name, scenario.play(stage))
                _say(f"{contestant.name:15} {scenario.name:23} {verdict_of(entry.sighting)}")
                yield entry


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scorecard", description=__doc__)
    parser.add_argument("--patience", type=float, default=5.0, help="for how many seconds stale reads are watched")
    parser.add_argument("--only", choices=[one.slug for one in ALL], help="only this contestant; writes nothing")
    parser.add_argument("--scenario", choices=[one.name for one in SCENARIOS], help="only this one; writes nothing")
    parser.add_argument("--folder", type=Path, help="an empty one, to keep the processes' logs")
    return parser.parse_args(argv)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
