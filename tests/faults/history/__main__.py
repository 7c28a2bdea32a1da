"""The long proof: `python -m tests.faults.history --reads 200000`, printed as a table."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import tests.faults.without_pytest  # noqa: F401

# isort: split
from tests.faults.history.cluster import running_cluster
from tests.faults.history.faults import FAULTS
from tests.faults.history.proof import Outcome, prove
from tests.faults.history.worlds import WORLDS

SHOWN_VIOLATIONS = 20


def main(argv: list[str]) -> int:
    """Prove, print, and return the exit code."""
    options = _options(argv)
    started = time.monotonic()
    reads = violations = 0
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="procedures-history-")))
        folder.mkdir(exist_ok=True)
        for outcome in _outcomes(folder, options):
            reads += outcome.verdict.reads
            violations += len(outcome.violations)
            for violation in outcome.violations[:SHOWN_VIOLATIONS]:
                _say(f"  VIOLATION: {violation}")
    _say(f"{reads} reads in {time.monotonic() - started:.0f} s under a lease of {options.lease_ms} ms")
    _say(f"{violations} violations")
    return 1 if violations else 0


def _outcomes(folder: Path, options: argparse.Namespace) -> Iterator[Outcome]:
    """Let every fault happen: those of one Valkey, and those of other shapes of Redis, each to a cluster of its own."""
    worlds = {} if options.fault else WORLDS
    faults = [fault for fault in FAULTS if options.fault in (None, fault.name)]
    share = options.reads // (1 + len(worlds))
    own = folder / "one-valkey"
    own.mkdir()
    with running_cluster(own, options.lease_ms) as cluster:
        yield from prove(cluster, options.lease_ms, reads=share, say=_say, faults=faults)
    for name, world in worlds.items():
        _say(f"\n{name}")
        own = folder / name.replace(" ", "-")
        own.mkdir()
        with world(own / "redis") as (url, faults_there), running_cluster(own, options.lease_ms, url) as cluster:
            yield from prove(cluster, options.lease_ms, reads=share, say=_say, faults=faults_there)


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.history", description=__doc__)
    parser.add_argument("--reads", type=int, default=200_000, help="at least so many in all")
    parser.add_argument("--fault", choices=[fault.name for fault in FAULTS], help="only this one, with one Valkey")
    parser.add_argument("--lease-ms", type=int, default=5000, help="the lease X of the servers (CACHE_LEASE_MS)")
    parser.add_argument("--folder", type=Path, help="an empty one, to keep the servers' logs")
    return parser.parse_args(argv)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
