"""The long soak: `python -m tests.faults.soak --minutes 10`."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

import tests.faults.without_pytest  # noqa: F401

# isort: split
from tests.faults.history.cluster import running_cluster
from tests.faults.history.proof import header
from tests.faults.soak.soak import soaked

LEASE_MS = 1000
SHOWN_VIOLATIONS = 50


def main(argv: list[str]) -> int:
    """Soak, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1000), help="the faults' order")
    options = parser.parse_args(argv)
    _say(f"{options.minutes:g} minutes, seed {options.seed}, a lease of {LEASE_MS} ms")
    _say(header())
    with (
        tempfile.TemporaryDirectory(prefix="procedures-soak-") as folder,
        running_cluster(Path(folder), LEASE_MS) as cluster,
    ):
        report = soaked(cluster, LEASE_MS, seconds=options.minutes * 60, seed=options.seed, say=_say)
    _say(f"MiB a worker in each minute: {[round(size) for size in report.mebibytes]}, growth {report.growth}")
    for violation in report.violations[:SHOWN_VIOLATIONS]:
        _say(f"  VIOLATION: {violation}")
    _say(f"{sum(outcome.verdict.reads for outcome in report.outcomes)} reads, {len(report.violations)} violations")
    return 1 if report.violations else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
